//! Objects: put, copy, get, delete, list.

use std::collections::BTreeSet;
use std::ops::{Bound, Range};

use http::Method;

use super::answer::{self, Answered, element, leaf};
use super::bucket::{Bucket, Object, parse_http_date};
use super::request::{Asked, decode};

/// How many keys a page of a list has at most.
const PAGE: usize = 1_000;

pub(super) fn put(bucket: &mut Bucket, key: &str, asked: &Asked) -> Answered {
    if !bucket.generation_matches(key, asked.header("x-goog-if-generation-match")) {
        return precondition();
    }
    let object = bucket.insert(key, asked.body.clone(), asked.attributes());
    answer::plain(200, &object.headers(), "")
}

pub(super) fn copy(bucket: &mut Bucket, key: &str, source: &str, asked: &Asked) -> Answered {
    let source = decode(source);
    let from = source.strip_prefix(&format!("{}/", asked.bucket));
    let Some(object) = from.and_then(|from| bucket.objects.get(from)).cloned() else {
        return absent();
    };
    if !bucket.generation_matches(key, asked.header("x-goog-if-generation-match")) {
        return precondition();
    }
    let copied = bucket.insert(key, object.bytes, object.attributes);
    answer::xml(
        "CopyObjectResult",
        &format!(
            "{}{}",
            leaf("ETag", &copied.e_tag()),
            leaf("LastModified", &copied.modified.to_string())
        ),
    )
}

pub(super) fn get(bucket: &Bucket, key: &str, asked: &Asked) -> Answered {
    let Some(object) = bucket.objects.get(key) else {
        return absent();
    };
    let generation = asked.query("generation");
    if generation.is_some_and(|wanted| wanted != object.generation.to_string()) {
        return absent();
    }
    if let Some(refusal) = unconditional(object, asked) {
        return refusal;
    }
    let size = object.bytes.len();
    let mut headers = object.headers();
    let (status, range) = match asked.header("range").map(|range| resolve(range, size)) {
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
            let mut refusal = answer::error(416, "InvalidRange", "The range is not satisfiable.");
            let value = format!("bytes */{size}").parse();
            refusal
                .headers_mut()
                .insert("content-range", value.expect("digits make a header"));
            return refusal;
        }
    };
    headers.push(("content-length", range.len().to_string()));
    if asked.method == Method::HEAD {
        return answer::plain(status, &headers, "");
    }
    answer::plain(status, &headers, object.bytes.slice(range))
}

pub(super) fn delete(bucket: &mut Bucket, key: &str) -> Answered {
    match bucket.objects.remove(key) {
        Some(_) => answer::plain(204, &[], ""),
        None => absent(),
    }
}

pub(super) fn list(bucket: &Bucket, asked: &Asked) -> Answered {
    let prefix = asked.query("prefix").unwrap_or_default();
    let delimiter = asked.query("delimiter").filter(|text| !text.is_empty());
    // Our token is the last key of the page before.
    let after = asked
        .query("continuation-token")
        .or(asked.query("start-after"));
    let most = asked.query("max-keys").and_then(|text| text.parse().ok());
    let most = most.unwrap_or(PAGE).min(PAGE);

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
        if count == most {
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
    answer::xml("ListBucketResult", &inside)
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

/// The refusal of a conditional read whose condition does not hold (RFC 9110 section 13.2.2).
fn unconditional(object: &Object, asked: &Asked) -> Option<Answered> {
    let names = |list: &str| {
        list.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag == object.e_tag())
    };
    let unchanged = |time: &str| {
        // Headers have whole seconds.
        parse_http_date(time).is_some_and(|time| object.modified.as_second() <= time.as_second())
    };
    let refused = match (
        asked.header("if-match"),
        asked.header("if-unmodified-since"),
    ) {
        (Some(list), _) => !names(list),
        (None, Some(time)) => !unchanged(time),
        (None, None) => false,
    };
    if refused {
        return Some(precondition());
    }
    let known = match (
        asked.header("if-none-match"),
        asked.header("if-modified-since"),
    ) {
        (Some(list), _) => names(list),
        (None, Some(time)) => unchanged(time),
        (None, None) => false,
    };
    known.then(|| answer::plain(304, &object.headers(), ""))
}

/// The bytes of `size` that a `Range` means, unless there are none.
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

pub(super) fn precondition() -> Answered {
    answer::error(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
    )
}

pub(super) fn absent() -> Answered {
    answer::error(404, "NoSuchKey", "The specified key does not exist.")
}
