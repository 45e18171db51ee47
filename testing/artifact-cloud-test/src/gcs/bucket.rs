//! The contents of a bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

/// The objects and the incomplete uploads of a bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, IncompleteUpload>,
    /// The maximum number of uploads in a page of a list.
    pub(super) page_uploads: usize,
    generation: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            page_uploads: 1_000,
            generation: 0,
        }
    }
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) generation: u64,
    pub(super) modified: Timestamp,
}

/// A multipart upload that is neither completed nor aborted.
#[derive(Debug)]
pub(super) struct IncompleteUpload {
    pub(super) key: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) parts: BTreeMap<u32, Part>,
    pub(super) initiated: Timestamp,
}

/// A part of an upload.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) e_tag: String,
    pub(super) bytes: Bytes,
    pub(super) modified: Timestamp,
}

impl Bucket {
    pub(super) fn unfinished_uploads(&self) -> usize {
        self.uploads.len()
    }

    /// Returns a number that no object, part or upload of this bucket has used.
    pub(super) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Whether `x-goog-if-generation-match` holds for a key. 0 means that the object does not exist.
    pub(super) fn generation_matches(&self, key: &str, wanted: Option<&str>) -> bool {
        let found = self.objects.get(key).map_or(0, |object| object.generation);
        wanted.is_none_or(|wanted| wanted == found.to_string())
    }

    /// Puts an object, overwriting any other, and returns it.
    pub(super) fn insert(
        &mut self,
        key: &str,
        bytes: Bytes,
        attributes: Vec<(String, String)>,
    ) -> &Object {
        let object = Object {
            bytes,
            attributes,
            generation: self.next_generation(),
            modified: Timestamp::now(),
        };
        self.objects.insert(key.to_owned(), object);
        &self.objects[key]
    }
}

impl Object {
    pub(super) fn e_tag(&self) -> String {
        format!("\"generation-{}\"", self.generation)
    }

    /// Returns the headers that describe it in a response.
    pub(super) fn headers(&self) -> Vec<(&str, String)> {
        let own = [
            ("etag", self.e_tag()),
            ("x-goog-generation", self.generation.to_string()),
            ("last-modified", http_date(self.modified)),
            ("accept-ranges", "bytes".into()),
        ];
        let kept = self.attributes.iter();
        own.into_iter()
            .chain(kept.map(|(name, value)| (name.as_str(), value.clone())))
            .collect()
    }
}

/// Formats a time for a header (RFC 9110 section 5.6.7).
pub(super) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Parses a time from a header.
pub(super) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}
