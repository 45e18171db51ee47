//! The header fields of every successful answer about an artifact.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use artifact_store::{FileName, Row};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use crate::digest_fields::{self, REPR_DIGEST};
use crate::disposition;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The fields of one artifact, as `GET` and `HEAD` of the whole artifact have them.
#[derive(Debug)]
pub(crate) struct ArtifactFields(HeaderMap);

impl ArtifactFields {
    fn of(row: &Row) -> Self {
        let mut headers = HeaderMap::with_capacity(11);
        let fixed = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, header_value(row.content_type.as_str()));
        headers.insert(CONTENT_LENGTH, row.size.into());
        let file_name = row.file_name.as_ref().map(FileName::as_str);
        headers.insert(CONTENT_DISPOSITION, disposition::attachment(file_name));
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            fixed("default-src 'none'; sandbox"),
        );
        headers.insert(RESOURCE_POLICY, fixed("same-origin"));
        headers.insert(CACHE_CONTROL, fixed("private, no-store"));
        headers.insert(VARY, fixed("Authorization"));
        headers.insert(ETAG, header_value(&format!("\"{}\"", row.sha256)));
        headers.insert(ACCEPT_RANGES, fixed("bytes"));
        // The digest of the whole artifact, also for a range of it.
        headers.insert(REPR_DIGEST, digest_fields::repr_digest(&row.sha256));
        Self(headers)
    }

    pub(crate) fn etag(&self) -> &str {
        let etag = self.0.get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.expect("every artifact has an entity tag of visible ASCII")
    }

    /// Returns a copy. Copying the map takes a third of the time of inserting its fields.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.0.clone()
    }
}

/// The fields of artifacts that were answered recently. Rows never change, so entries do not expire.
#[derive(Debug)]
pub(crate) struct ArtifactFieldsCache(Cache<ArtifactId, Arc<ArtifactFields>>);

impl Default for ArtifactFieldsCache {
    fn default() -> Self {
        Self(Cache::new(Self::CAPACITY))
    }
}

impl ArtifactFieldsCache {
    /// An entry takes about 2 KiB, so the cache takes a few MiB.
    const CAPACITY: usize = 2048;

    /// Returns the fields of a row's artifact.
    pub(crate) fn get(&self, row: &Row) -> Arc<ArtifactFields> {
        if let Some(fields) = self.0.get(&row.id) {
            return fields;
        }
        let fields = Arc::new(ArtifactFields::of(row));
        self.0.insert(row.id, Arc::clone(&fields));
        fields
    }
}

pub(crate) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("content types, digests and numbers are visible ASCII")
}
