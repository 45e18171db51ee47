//! One multipart upload, through either of the two interfaces that `object_store` has for it.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Attributes, MultipartUpload, PutMultipartOptions, PutPayload};
use tokio::sync::Mutex;

use crate::error::RequestError;
use crate::progress::Body;
use crate::shared::Bucket;
use crate::write_id::WriteId;

/// An uploaded part. `None` if the store's client keeps the list of parts itself.
pub(crate) type Part = Option<PartId>;

/// A multipart upload that has begun.
#[async_trait]
pub(crate) trait PartUpload: Send + Sync {
    /// Sends a part, and resends it if that can help: sending one part twice has no effect.
    fn put_part(
        &mut self,
        number: usize,
        payload: PutPayload,
    ) -> BoxFuture<'static, Result<Part, RequestError>>;

    /// Whether [`complete`](Self::complete) may be called again after it failed.
    fn can_retry_completion(&self) -> bool;

    /// Combines the parts into an object.
    async fn complete(&self, parts: &[Part]) -> Result<(), object_store::Error>;

    /// Removes the parts.
    async fn abort(&self) -> Result<(), RequestError>;
}

fn options(attributes: Attributes) -> PutMultipartOptions {
    PutMultipartOptions {
        attributes,
        ..PutMultipartOptions::default()
    }
}

tokio::task_local! {
    /// The write id of the upload that the current task is completing.
    static COMPLETING: WriteId;
}

/// Returns the write id of the upload that the current task is completing.
#[cfg(feature = "azure")]
pub(crate) fn completing_write_id() -> Option<WriteId> {
    COMPLETING.try_with(|write_id| *write_id).ok()
}

/// An upload that every request names by its id.
pub(crate) struct AddressedUpload {
    bucket: Arc<Bucket>,
    store: Arc<dyn MultipartStore>,
    key: Path,
    upload_id: String,
    write_id: WriteId,
}

impl AddressedUpload {
    pub(crate) async fn begin(
        bucket: &Arc<Bucket>,
        store: &Arc<dyn MultipartStore>,
        key: &Path,
        write_id: WriteId,
        attributes: &Attributes,
    ) -> Result<Self, RequestError> {
        let begin = || store.create_multipart_opts(key, options(attributes.clone()));
        Ok(Self {
            upload_id: bucket.repeat(begin).await?,
            bucket: Arc::clone(bucket),
            store: Arc::clone(store),
            key: key.clone(),
            write_id,
        })
    }

    /// Returns the provider's id of this upload; empty on Azure, which has none.
    pub(crate) fn upload_id(&self) -> &str {
        &self.upload_id
    }
}

#[async_trait]
impl PartUpload for AddressedUpload {
    fn put_part(
        &mut self,
        number: usize,
        payload: PutPayload,
    ) -> BoxFuture<'static, Result<Part, RequestError>> {
        let (bucket, store) = (Arc::clone(&self.bucket), Arc::clone(&self.store));
        let (key, upload_id) = (self.key.clone(), self.upload_id.clone());
        async move {
            let put = || store.put_part(&key, &upload_id, number, payload.clone());
            let body = Body::from(&payload);
            bucket.repeat_send(&body, put).await.map(Some)
        }
        .boxed()
    }

    fn can_retry_completion(&self) -> bool {
        true
    }

    async fn complete(&self, parts: &[Part]) -> Result<(), object_store::Error> {
        let parts = parts.iter().flatten().cloned().collect();
        let complete = self
            .store
            .complete_multipart(&self.key, &self.upload_id, parts);
        COMPLETING.scope(self.write_id, complete).await.map(drop)
    }

    async fn abort(&self) -> Result<(), RequestError> {
        let abort = || self.store.abort_multipart(&self.key, &self.upload_id);
        self.bucket.repeat(abort).await
    }
}

/// An upload through the interface of every `ObjectStore`, which numbers the parts itself and cannot
/// resend one.
pub(crate) struct GenericUpload {
    bucket: Arc<Bucket>,
    upload: Mutex<Box<dyn MultipartUpload>>,
}

impl GenericUpload {
    pub(crate) async fn begin(
        bucket: &Arc<Bucket>,
        key: &Path,
        attributes: &Attributes,
    ) -> Result<Self, RequestError> {
        let begin = || {
            let options = options(attributes.clone());
            bucket.store.put_multipart_opts(key, options)
        };
        Ok(Self {
            upload: Mutex::new(bucket.repeat(begin).await?),
            bucket: Arc::clone(bucket),
        })
    }
}

#[async_trait]
impl PartUpload for GenericUpload {
    fn put_part(
        &mut self,
        _number: usize,
        payload: PutPayload,
    ) -> BoxFuture<'static, Result<Part, RequestError>> {
        let bucket = Arc::clone(&self.bucket);
        let body = Body::from(&payload);
        let put = self.upload.get_mut().put_part(payload);
        async move { bucket.send(&body, put).await.map(|()| None) }.boxed()
    }

    fn can_retry_completion(&self) -> bool {
        false
    }

    async fn complete(&self, _parts: &[Part]) -> Result<(), object_store::Error> {
        self.upload.lock().await.complete().await.map(drop)
    }

    async fn abort(&self) -> Result<(), RequestError> {
        let abort = async { self.upload.lock().await.abort().await };
        self.bucket.request(abort).await
    }
}
