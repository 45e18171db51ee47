//! Multipart uploads: begun, written, completed or aborted, and listed.

use std::collections::BTreeMap;

use bytes::BytesMut;
use jiff::Timestamp;

use super::answer::{self, Answered, element, leaf};
use super::bucket::{Bucket, Part, Pending};
use super::request::Asked;

/// The least size of a part that is not the last, in bytes.
const LEAST_PART: usize = 5 * 1024 * 1024;

pub(super) fn begin(bucket: &mut Bucket, key: &str, asked: &Asked) -> Answered {
    if let Some(refusal) = conditional(asked) {
        return refusal;
    }
    let id = format!("upload-{}", bucket.next());
    let pending = Pending {
        key: key.to_owned(),
        attributes: asked.attributes(),
        parts: BTreeMap::new(),
        initiated: Timestamp::now(),
    };
    bucket.uploads.insert(id.clone(), pending);
    answer::xml(
        "InitiateMultipartUploadResult",
        &[
            leaf("Bucket", &asked.bucket),
            leaf("Key", key),
            leaf("UploadId", &id),
        ]
        .concat(),
    )
}

pub(super) fn part(bucket: &mut Bucket, upload: &str, asked: &Asked) -> Answered {
    let tag = format!("\"part-{}\"", bucket.next());
    let Some(pending) = bucket.uploads.get_mut(upload) else {
        return no_such_upload();
    };
    let number = asked.query("partNumber").and_then(|text| text.parse().ok());
    let Some(number @ 1..=10_000) = number else {
        return answer::error(400, "InvalidArgument", "part numbers are 1 to 10000");
    };
    let part = Part {
        e_tag: tag.clone(),
        bytes: asked.body.clone(),
        modified: Timestamp::now(),
    };
    pending.parts.insert(number, part);
    answer::plain(200, &[("etag", tag)], "")
}

pub(super) fn complete(bucket: &mut Bucket, key: &str, upload: &str, asked: &Asked) -> Answered {
    if let Some(refusal) = conditional(asked) {
        return refusal;
    }
    let Some(pending) = bucket.uploads.get(upload) else {
        return no_such_upload();
    };
    if pending.key != key {
        return no_such_upload();
    }
    let named = named_parts(&String::from_utf8_lossy(&asked.body));
    if named.is_empty() {
        return answer::error(400, "MalformedXML", "no part is named");
    }
    let mut bytes = BytesMut::new();
    let mut before = 0;
    for (at, (number, tag)) in named.iter().enumerate() {
        let Some(part) = pending.parts.get(number) else {
            return answer::error(400, "InvalidPart", "a part that was not uploaded is named");
        };
        if part.e_tag != *tag {
            return answer::error(400, "InvalidPart", "a part's ETag is another");
        }
        if *number <= before {
            return answer::error(400, "InvalidPartOrder", "parts must be named in order");
        }
        if at + 1 < named.len() && part.bytes.len() < LEAST_PART {
            return answer::error(400, "EntityTooSmall", "a part is smaller than 5 MiB");
        }
        before = *number;
        bytes.extend_from_slice(&part.bytes);
    }
    let Some(pending) = bucket.uploads.remove(upload) else {
        return no_such_upload();
    };
    let object = bucket.insert(key, bytes.freeze(), pending.attributes);
    let mut done = answer::xml(
        "CompleteMultipartUploadResult",
        &[
            leaf("Bucket", &asked.bucket),
            leaf("Key", key),
            leaf("ETag", &object.e_tag()),
        ]
        .concat(),
    );
    done.headers_mut()
        .insert("x-goog-generation", object.generation.into());
    done
}

pub(super) fn abort(bucket: &mut Bucket, upload: &str) -> Answered {
    match bucket.uploads.remove(upload) {
        Some(_) => answer::plain(204, &[], ""),
        None => no_such_upload(),
    }
}

/// The uploads of keys with a prefix, all on one page.
pub(super) fn list(bucket: &Bucket, asked: &Asked) -> Answered {
    let prefix = asked.query("prefix").unwrap_or_default();
    let wanted = bucket.uploads.iter();
    let wanted = wanted.filter(|(_, pending)| pending.key.starts_with(prefix));
    let entries = wanted.map(|(id, pending)| {
        let inside = [
            leaf("Key", &pending.key),
            leaf("UploadId", id),
            leaf("Initiated", &pending.initiated.to_string()),
        ];
        element("Upload", &inside.concat())
    });
    let inside = entries.collect::<String>() + &leaf("IsTruncated", "false");
    answer::xml("ListMultipartUploadsResult", &inside)
}

/// The parts of an upload, all on one page.
pub(super) fn parts(bucket: &Bucket, upload: &str) -> Answered {
    let Some(pending) = bucket.uploads.get(upload) else {
        return no_such_upload();
    };
    let entries = pending.parts.iter().map(|(number, part)| {
        let inside = [
            leaf("PartNumber", &number.to_string()),
            leaf("LastModified", &part.modified.to_string()),
            leaf("ETag", &part.e_tag),
            leaf("Size", &part.bytes.len().to_string()),
        ];
        element("Part", &inside.concat())
    });
    let inside = entries.collect::<String>() + &leaf("IsTruncated", "false");
    answer::xml("ListPartsResult", &inside)
}

/// "Preconditions are not supported": a completion overwrites, whatever is there.
fn conditional(asked: &Asked) -> Option<Answered> {
    asked.header("x-goog-if-generation-match").map(|_| {
        answer::error(
            400,
            "InvalidArgument",
            "Multipart uploads do not support preconditions.",
        )
    })
}

/// Number and ETag of each `<Part>`. The order inside it is not prescribed.
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

fn no_such_upload() -> Answered {
    answer::error(404, "NoSuchUpload", "The specified upload does not exist.")
}
