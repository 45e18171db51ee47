//! Multipart uploads: begin, parts, complete, abort, lists.

use std::collections::BTreeMap;

use bytes::BytesMut;
use jiff::Timestamp;

use super::bucket::{Bucket, IncompleteUpload, Part};
use super::request::GcsRequest;
use super::response::{self, GcsResponse, element, leaf};

/// The minimum size in bytes of a part that is not the last.
const MIN_PART_BYTES: usize = 5 * 1024 * 1024;

pub(super) fn begin(bucket: &mut Bucket, key: &str, request: &GcsRequest) -> GcsResponse {
    if let Some(response) = reject_precondition(request) {
        return response;
    }
    let id = format!("upload-{}", bucket.next_generation());
    let upload_state = IncompleteUpload {
        key: key.to_owned(),
        attributes: request.attributes(),
        parts: BTreeMap::new(),
        initiated: Timestamp::now(),
    };
    bucket.uploads.insert(id.clone(), upload_state);
    response::xml(
        "InitiateMultipartUploadResult",
        &[
            leaf("Bucket", &request.bucket),
            leaf("Key", key),
            leaf("UploadId", &id),
        ]
        .concat(),
    )
}

pub(super) fn part(bucket: &mut Bucket, upload: &str, request: &GcsRequest) -> GcsResponse {
    let tag = format!("\"part-{}\"", bucket.next_generation());
    let Some(upload_state) = bucket.uploads.get_mut(upload) else {
        return no_such_upload();
    };
    let number = request
        .query("partNumber")
        .and_then(|text| text.parse().ok());
    let Some(number @ 1..=10_000) = number else {
        return response::error(400, "InvalidArgument", "part numbers must be 1 to 10000");
    };
    let part = Part {
        e_tag: tag.clone(),
        bytes: request.body.clone(),
        modified: Timestamp::now(),
    };
    upload_state.parts.insert(number, part);
    response::plain(200, &[("etag", tag)], "")
}

pub(super) fn complete(
    bucket: &mut Bucket,
    key: &str,
    upload: &str,
    request: &GcsRequest,
) -> GcsResponse {
    if let Some(response) = reject_precondition(request) {
        return response;
    }
    let Some(upload_state) = bucket.uploads.get(upload) else {
        return no_such_upload();
    };
    if upload_state.key != key {
        return no_such_upload();
    }
    let named = named_parts(&String::from_utf8_lossy(&request.body));
    if named.is_empty() {
        return response::error(400, "MalformedXML", "the request names no part");
    }
    let mut bytes = BytesMut::new();
    let mut before = 0;
    for (at, (number, tag)) in named.iter().enumerate() {
        let Some(part) = upload_state.parts.get(number) else {
            return response::error(400, "InvalidPart", "a named part was not uploaded");
        };
        if part.e_tag != *tag {
            return response::error(400, "InvalidPart", "the ETag of a part does not match");
        }
        if *number <= before {
            return response::error(400, "InvalidPartOrder", "parts must be named in order");
        }
        if at + 1 < named.len() && part.bytes.len() < MIN_PART_BYTES {
            return response::error(400, "EntityTooSmall", "a part is smaller than 5 MiB");
        }
        before = *number;
        bytes.extend_from_slice(&part.bytes);
    }
    let Some(upload_state) = bucket.uploads.remove(upload) else {
        return no_such_upload();
    };
    let object = bucket.insert(key, bytes.freeze(), upload_state.attributes);
    let mut done = response::xml(
        "CompleteMultipartUploadResult",
        &[
            leaf("Bucket", &request.bucket),
            leaf("Key", key),
            leaf("ETag", &object.e_tag()),
        ]
        .concat(),
    );
    done.headers_mut()
        .insert("x-goog-generation", object.generation.into());
    done
}

pub(super) fn abort(bucket: &mut Bucket, upload: &str) -> GcsResponse {
    match bucket.uploads.remove(upload) {
        Some(_) => response::plain(204, &[], ""),
        None => no_such_upload(),
    }
}

/// Lists a page of the uploads whose key has a prefix, by key and id.
pub(super) fn list(bucket: &Bucket, request: &GcsRequest) -> GcsResponse {
    let prefix = request.query("prefix").unwrap_or_default();
    let marker = |name| request.query(name).unwrap_or_default();
    let after = (marker("key-marker"), marker("upload-id-marker"));
    let uploads = bucket.uploads.iter();
    let mut wanted: Vec<_> = uploads
        .map(|(id, upload_state)| ((upload_state.key.as_str(), id.as_str()), upload_state))
        .filter(|(name, _)| name.0.starts_with(prefix) && *name > after)
        .collect();
    wanted.sort_unstable_by_key(|(name, _)| *name);
    let truncated = wanted.len() > bucket.page_uploads;
    wanted.truncate(bucket.page_uploads);
    let mut inside = String::new();
    for ((key, id), upload_state) in &wanted {
        let entry = [
            leaf("Key", key),
            leaf("UploadId", id),
            leaf("Initiated", &upload_state.initiated.to_string()),
        ];
        inside += &element("Upload", &entry.concat());
    }
    inside += &leaf("IsTruncated", &truncated.to_string());
    if let Some(((key, id), _)) = wanted.last().filter(|_| truncated) {
        inside += &leaf("NextKeyMarker", key);
        inside += &leaf("NextUploadIdMarker", id);
    }
    response::xml("ListMultipartUploadsResult", &inside)
}

/// Lists the parts of an upload, all on one page.
pub(super) fn parts(bucket: &Bucket, upload: &str) -> GcsResponse {
    let Some(upload_state) = bucket.uploads.get(upload) else {
        return no_such_upload();
    };
    let entries = upload_state.parts.iter().map(|(number, part)| {
        let inside = [
            leaf("PartNumber", &number.to_string()),
            leaf("LastModified", &part.modified.to_string()),
            leaf("ETag", &part.e_tag),
            leaf("Size", &part.bytes.len().to_string()),
        ];
        element("Part", &inside.concat())
    });
    let inside = entries.collect::<String>() + &leaf("IsTruncated", "false");
    response::xml("ListPartsResult", &inside)
}

/// Rejects a precondition, as Google does: a completion always overwrites.
fn reject_precondition(request: &GcsRequest) -> Option<GcsResponse> {
    request.header("x-goog-if-generation-match").map(|_| {
        response::error(
            400,
            "InvalidArgument",
            "Multipart uploads do not support preconditions.",
        )
    })
}

/// Returns the number and ETag of each `<Part>`. They may be in either order.
fn named_parts(text: &str) -> Vec<(u32, String)> {
    let inside = |part: &str, name: &str| {
        let (_, rest) = part.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.replace("&quot;", "\""))
    };
    text.split("<Part>")
        .skip(1)
        .filter_map(|part| {
            let number = inside(part, "PartNumber")?.parse().ok()?;
            Some((number, inside(part, "ETag")?))
        })
        .collect()
}

fn no_such_upload() -> GcsResponse {
    response::error(404, "NoSuchUpload", "The specified upload does not exist.")
}
