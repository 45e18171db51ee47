//! Objects: put, copy, get, delete, list.

use std::collections::BTreeSet;
use std::ops::{Bound, Range};

use http::Method;

use super::bucket::{Bucket, Object, parse_http_date};
use super::request::{GcsRequest, decode};
use super::response::{self, GcsResponse, element, leaf};

/// The maximum number of keys in a page of a list.
const PAGE_KEYS: usize = 1_000;

pub(super) fn put(bucket: &mut Bucket, key: &str, request: &GcsRequest) -> GcsResponse {
    if !bucket.generation_matches(key, request.header("x-goog-if-generation-match")) {
        return precondition_failed();
    }
    let object = bucket.insert(key, request.body.clone(), request.attributes());
    response::plain(200, &object.headers(), "")
}

pub(super) fn copy(
    bucket: &mut Bucket,
    key: &str,
    source: &str,
    request: &GcsRequest,
) -> GcsResponse {
    let source = decode(source);
    let from = source.strip_prefix(&format!("{}/", request.bucket));
    let Some(object) = from.and_then(|from| bucket.objects.get(from)).cloned() else {
        return no_such_key();
    };
    if !bucket.generation_matches(key, request.header("x-goog-if-generation-match")) {
        return precondition_failed();
    }
    let copied = bucket.insert(key, object.bytes, object.attributes);
    response::xml(
        "CopyObjectResult",
        &format!(
            "{}{}",
            leaf("ETag", &copied.e_tag()),
            leaf("LastModified", &copied.modified.to_string())
        ),
    )
}

pub(super) fn get(bucket: &Bucket, key: &str, request: &GcsRequest) -> GcsResponse {
    let Some(object) = bucket.objects.get(key) else {
        return no_such_key();
    };
    let generation = request.query("generation");
    if generation.is_some_and(|wanted| wanted != object.generation.to_string()) {
        return no_such_key();
    }
    if let Some(response) = failed_condition(object, request) {
        return response;
    }
    let size = object.bytes.len();
    let mut headers = object.headers();
    let (status, range) = match request.header("range").map(|range| resolve(range, size)) {
        None => (200, 0..size),
        Some(Some(range)) => {
            let last = range.end - 1;
            headers.push((
                "content-range",
                format!("bytes {}-{last}/{size}", range.start),
            ));
            (206, range)
        }
        Some(None) => {
            let mut response =
                response::error(416, "InvalidRange", "The range is not satisfiable.");
            let value = format!("bytes */{size}").parse();
            response.headers_mut().insert(
                "content-range",
                value.expect("digits are valid in a header"),
            );
            return response;
        }
    };
    headers.push(("content-length", range.len().to_string()));
    if request.method == Method::HEAD {
        return response::plain(status, &headers, "");
    }
    response::plain(status, &headers, object.bytes.slice(range))
}

pub(super) fn delete(bucket: &mut Bucket, key: &str) -> GcsResponse {
    match bucket.objects.remove(key) {
        Some(_) => response::plain(204, &[], ""),
        None => no_such_key(),
    }
}

pub(super) fn list(bucket: &Bucket, request: &GcsRequest) -> GcsResponse {
    let prefix = request.query("prefix").unwrap_or_default();
    let delimiter = request.query("delimiter").filter(|text| !text.is_empty());
    // The continuation token is the last key of the previous page.
    let after = request
        .query("continuation-token")
        .or(request.query("start-after"));
    let max_keys = request.query("max-keys").and_then(|text| text.parse().ok());
    let max_keys = max_keys.unwrap_or(PAGE_KEYS).min(PAGE_KEYS);

    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut contents = String::new();
    let mut prefixes = BTreeSet::new();
    let mut last = "";
    let mut truncated = false;
    let mut count = 0;
    for (key, object) in bucket.objects.range::<str, _>((from, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else {
            continue;
        };
        let end = delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        let common = end.map(|end| &key[..prefix.len() + end]);
        if common.is_some_and(|common| prefixes.contains(common)) {
            last = key;
            continue;
        }
        if count == max_keys {
            truncated = true;
            break;
        }
        count += 1;
        last = key;
        match common {
            Some(common) => {
                prefixes.insert(common);
            }
            None => contents += &entry(key, object),
        }
    }
    let mut inside = contents;
    for common in prefixes {
        inside += &element("CommonPrefixes", &leaf("Prefix", common));
    }
    inside += &leaf("IsTruncated", &truncated.to_string());
    if truncated {
        inside += &leaf("NextContinuationToken", last);
    }
    response::xml("ListBucketResult", &inside)
}

fn entry(key: &str, object: &Object) -> String {
    let inside = [
        leaf("Key", key),
        leaf("Generation", &object.generation.to_string()),
        leaf("LastModified", &object.modified.to_string()),
        leaf("ETag", &object.e_tag()),
        leaf("Size", &object.bytes.len().to_string()),
    ];
    element("Contents", &inside.concat())
}

/// Returns the response to a conditional read whose condition does not hold (RFC 9110 section 13.2.2).
fn failed_condition(object: &Object, request: &GcsRequest) -> Option<GcsResponse> {
    let names = |list: &str| {
        list.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag == object.e_tag())
    };
    let unchanged = |time: &str| {
        // Headers have a precision of one second.
        parse_http_date(time).is_some_and(|time| object.modified.as_second() <= time.as_second())
    };
    let failed = match (
        request.header("if-match"),
        request.header("if-unmodified-since"),
    ) {
        (Some(list), _) => !names(list),
        (None, Some(time)) => !unchanged(time),
        (None, None) => false,
    };
    if failed {
        return Some(precondition_failed());
    }
    let not_modified = match (
        request.header("if-none-match"),
        request.header("if-modified-since"),
    ) {
        (Some(list), _) => names(list),
        (None, Some(time)) => unchanged(time),
        (None, None) => false,
    };
    not_modified.then(|| response::plain(304, &object.headers(), ""))
}

/// Resolves a `Range` header for an object of `size` bytes. Returns `None` if it selects no byte.
fn resolve(header: &str, size: usize) -> Option<Range<usize>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => size.saturating_sub(last.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => {
            first.parse().ok()?..last.parse::<usize>().ok()?.saturating_add(1).min(size)
        }
    };
    (range.start < range.end).then_some(range)
}

pub(super) fn precondition_failed() -> GcsResponse {
    response::error(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
    )
}

pub(super) fn no_such_key() -> GcsResponse {
    response::error(404, "NoSuchKey", "The specified key does not exist.")
}
