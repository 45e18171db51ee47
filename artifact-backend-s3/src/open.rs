//! Opening a blob, or a range of it, for reading.

use std::ops::Range;

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Operation, Result};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use object_store::{Attributes, GetOptions, GetRange, GetResult, ObjectMeta};

use crate::error::Outcome;
use crate::shared::Bucket;
use crate::write_id::WriteId;

/// An open blob: its metadata, the requested range, and the bytes of that range.
pub(crate) struct OpenBlob {
    pub(crate) meta: ObjectMeta,
    pub(crate) range: Range<u64>,
    pub(crate) stream: BoxStream<'static, object_store::Result<bytes::Bytes>>,
}

impl From<GetResult> for OpenBlob {
    fn from(found: GetResult) -> Self {
        Self {
            meta: found.meta.clone(),
            range: found.range.clone(),
            stream: found.into_stream(),
        }
    }
}

/// No blob is this large, and some servers do not parse larger numbers.
const MAX_OFFSET: u64 = 1 << 62;

/// How a range is first requested.
enum FirstRequest {
    Whole,
    Range(GetRange),
    /// The storage cannot resolve the range: the backend has to know the blob's size first.
    SizeFirst,
}

impl Bucket {
    /// Opens a range of a blob. Needs one request if the storage can resolve the range itself.
    pub(crate) async fn open(
        &self,
        operation: Operation,
        id: ArtifactId,
        range: ByteRange,
    ) -> Result<OpenBlob> {
        match self.first_request(range) {
            FirstRequest::Whole => return self.open_range(operation, id, None).await,
            FirstRequest::Range(range) => {
                let get = self.get_once(id, Some(range), None);
                match self.request(get).await {
                    Ok(found) => return self.opened(operation, id, found).await,
                    Err(error) => match self.resolve_not_found(error).await {
                        // Servers differ in how they answer a range past the end, and Azurite's
                        // response makes no sense. So after any unclear response the size decides.
                        error if error.is_retryable() || error.outcome == Outcome::NoRange => {}
                        error => return Err(error.into_error(operation, Some(id))),
                    },
                }
            }
            FirstRequest::SizeFirst => {}
        }
        let meta = self.stat_object(operation, id).await?;
        let range = range
            .resolve(meta.size)
            .map_err(|range| Error::invalid_range(operation, id, range))?;
        if range.is_empty() {
            let stream = stream::empty().boxed();
            return Ok(OpenBlob {
                meta,
                range,
                stream,
            });
        }
        self.open_range(operation, id, Some(GetRange::Bounded(range)))
            .await
    }

    /// Opens a range of the blob that `meta` describes.
    ///
    /// Fails with `Corrupt` if the object has changed since.
    pub(crate) async fn open_same(
        &self,
        operation: Operation,
        id: ArtifactId,
        meta: &ObjectMeta,
        range: Range<u64>,
    ) -> Result<OpenBlob> {
        let changed = || {
            Error::new(ErrorKind::Corrupt, operation)
                .with_id(id)
                .with_detail("the object changed while it was being read")
        };
        let get = || {
            self.get_once(
                id,
                Some(GetRange::Bounded(range.clone())),
                meta.e_tag.clone(),
            )
        };
        let found = match self.repeat(get).await {
            Ok(found) => found,
            Err(error) if matches!(error.outcome, Outcome::Exists | Outcome::NoRange) => {
                return Err(changed());
            }
            Err(error) => return Err(error.into_error(operation, Some(id))),
        };
        // Some servers ignore `If-Match`.
        let is_same = found.meta.e_tag == meta.e_tag && found.meta.size == meta.size;
        if !is_same || found.range != range {
            return Err(changed());
        }
        Ok(found.into())
    }

    fn first_request(&self, range: ByteRange) -> FirstRequest {
        let is_cloud = self.capabilities.is_cloud;
        let range = match range {
            ByteRange::Full => return FirstRequest::Whole,
            ByteRange::From(first) if is_cloud && first < MAX_OFFSET => GetRange::Offset(first),
            ByteRange::FromTo { first, last }
                if is_cloud && first <= last && first < MAX_OFFSET =>
            {
                if last < MAX_OFFSET {
                    GetRange::Bounded(first..last + 1)
                } else {
                    GetRange::Offset(first)
                }
            }
            ByteRange::Suffix(length)
                if is_cloud
                    && self.capabilities.suffix_ranges
                    && (1..MAX_OFFSET).contains(&length) =>
            {
                GetRange::Suffix(length)
            }
            ByteRange::From(_) | ByteRange::FromTo { .. } | ByteRange::Suffix(_) => {
                return FirstRequest::SizeFirst;
            }
        };
        FirstRequest::Range(range)
    }

    async fn open_range(
        &self,
        operation: Operation,
        id: ArtifactId,
        range: Option<GetRange>,
    ) -> Result<OpenBlob> {
        match self.repeat(|| self.get_once(id, range.clone(), None)).await {
            Ok(found) => self.opened(operation, id, found).await,
            Err(error) => Err(error.into_error(operation, Some(id))),
        }
    }

    /// Requests a blob, or a range of it; with an e-tag, only the blob that has this e-tag.
    async fn get_once(
        &self,
        id: ArtifactId,
        range: Option<GetRange>,
        e_tag: Option<String>,
    ) -> Result<GetResult, object_store::Error> {
        let options = GetOptions {
            range,
            if_match: e_tag,
            ..GetOptions::default()
        };
        self.store.get_opts(&self.layout.blob(id), options).await
    }

    async fn opened(
        &self,
        operation: Operation,
        id: ArtifactId,
        found: GetResult,
    ) -> Result<OpenBlob> {
        self.check_is_blob(operation, id, &found.attributes).await?;
        Ok(found.into())
    }

    /// Returns a blob's size, time and e-tag.
    pub(crate) async fn stat_object(
        &self,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<ObjectMeta> {
        let key = self.layout.blob(id);
        let found = self.repeat(|| self.head(&key)).await;
        let found = found.map_err(|error| error.into_error(operation, Some(id)))?;
        self.check_is_blob(operation, id, &found.attributes).await?;
        Ok(found.meta)
    }

    /// Rejects an object without a write id: this backend did not create it, and never serves it.
    async fn check_is_blob(
        &self,
        operation: Operation,
        id: ArtifactId,
        attributes: &Attributes,
    ) -> Result<()> {
        if WriteId::of(attributes).is_some() || !self.keeps_metadata(operation).await? {
            return Ok(());
        }
        let detail = "the object has no write id in its metadata: another program created it, or a \
                      copy lost the metadata";
        Err(Error::new(ErrorKind::Corrupt, operation)
            .with_id(id)
            .with_detail(detail))
    }
}
