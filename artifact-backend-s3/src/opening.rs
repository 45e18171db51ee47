//! Opening a blob, or a range of one, for reading.

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Operation, Result};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use object_store::{Attributes, GetOptions, GetRange, GetResult, ObjectMeta};
use std::ops::Range;

use crate::core::Core;
use crate::mark;
use crate::trouble::{Class, Trouble};

/// A blob that is open: what it is, the range of it that was asked for, and the bytes of that.
pub(crate) struct Opened {
    pub(crate) meta: ObjectMeta,
    pub(crate) range: Range<u64>,
    pub(crate) stream: BoxStream<'static, object_store::Result<bytes::Bytes>>,
}

/// Above this no blob reaches, and some servers do not read larger numbers.
const BEYOND: u64 = 1 << 62;

impl Core {
    /// Opens a range of a blob: one request, wherever the storage can resolve the range itself.
    pub(crate) async fn open(
        &self,
        operation: Operation,
        id: ArtifactId,
        range: ByteRange,
    ) -> Result<Opened> {
        if let Some(asked) = self.as_asked(range) {
            let in_part = asked.is_some();
            match self.get(id, asked, None, !in_part).await {
                Ok(found) => return self.opened(operation, id, found).await,
                // Azurite answers a range past the end by one that makes no sense, and others have
                // other ways, so whatever is no clear answer is asked again with a range in bounds.
                Err(trouble)
                    if in_part && (trouble.may_pass() || trouble.class == Class::NoRange) => {}
                Err(trouble) => return Err(trouble.into_error(operation, Some(id))),
            }
        }
        // The range holds no byte, or the storage cannot tell: the size decides.
        let meta = self.stat_object(operation, id).await?;
        let range = range
            .resolve(meta.size)
            .map_err(|range| Error::invalid_range(operation, id, range))?;
        if range.is_empty() {
            let stream = stream::empty().boxed();
            return Ok(Opened {
                meta,
                range,
                stream,
            });
        }
        let asked = Some(GetRange::Bounded(range));
        match self.get(id, asked, None, true).await {
            Ok(found) => self.opened(operation, id, found).await,
            Err(trouble) => Err(trouble.into_error(operation, Some(id))),
        }
    }

    /// The range as the storage is asked for it, or `None` where the size must be known first.
    #[expect(
        clippy::option_option,
        reason = "the inner one is the library's own way to ask for the whole"
    )]
    fn as_asked(&self, range: ByteRange) -> Option<Option<GetRange>> {
        let numbers = self.traits.is_cloud;
        match range {
            ByteRange::Full => Some(None),
            ByteRange::From(first) if numbers && first < BEYOND => {
                Some(Some(GetRange::Offset(first)))
            }
            ByteRange::FromTo { first, last } if numbers && first <= last && first < BEYOND => {
                Some(Some(if last < BEYOND {
                    GetRange::Bounded(first..last + 1)
                } else {
                    GetRange::Offset(first)
                }))
            }
            ByteRange::Suffix(length)
                if numbers && self.traits.suffix_ranges && (1..BEYOND).contains(&length) =>
            {
                Some(Some(GetRange::Suffix(length)))
            }
            ByteRange::From(_) | ByteRange::FromTo { .. } | ByteRange::Suffix(_) => None,
        }
    }

    /// Asks for a blob, or a range of it; with an e-tag, only for the blob that has it; once, or until
    /// there is a clear answer.
    pub(crate) async fn get(
        &self,
        id: ArtifactId,
        range: Option<GetRange>,
        e_tag: Option<&str>,
        repeat: bool,
    ) -> Result<GetResult, Trouble> {
        let key = self.layout.blob(id);
        let get = || {
            let options = GetOptions {
                range: range.clone(),
                if_match: e_tag.map(str::to_owned),
                ..GetOptions::default()
            };
            self.store.get_opts(&key, options)
        };
        if repeat {
            return self.repeat(0, get).await;
        }
        match self.request(0, get()).await {
            Ok(found) => Ok(found),
            Err(trouble) => Err(self.settle(trouble).await),
        }
    }

    async fn opened(
        &self,
        operation: Operation,
        id: ArtifactId,
        found: GetResult,
    ) -> Result<Opened> {
        self.check_mark(operation, id, &found.attributes).await?;
        Ok(Opened {
            meta: found.meta.clone(),
            range: found.range.clone(),
            stream: found.into_stream(),
        })
    }

    /// Size, time and e-tag of a blob.
    pub(crate) async fn stat_object(
        &self,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<ObjectMeta> {
        let key = self.layout.blob(id);
        let found = self.repeat(0, || self.head(&key)).await;
        let found = found.map_err(|trouble| trouble.into_error(operation, Some(id)))?;
        self.check_mark(operation, id, &found.attributes).await?;
        Ok(found.meta)
    }

    /// What has no mark of ours was put there by somebody else, and is never served.
    async fn check_mark(
        &self,
        operation: Operation,
        id: ArtifactId,
        attributes: &Attributes,
    ) -> Result<()> {
        if mark::of(attributes).is_some() || !self.keeps_marks(operation).await? {
            return Ok(());
        }
        let detail = "the object has no mark of a blob of ours: somebody else put it there, or its \
                      metadata was lost in a copy";
        Err(Error::new(ErrorKind::Corrupt, operation)
            .with_id(id)
            .with_detail(detail))
    }
}
