//! A backend that records every call.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

pub(crate) const STORE_ID: StoreId = StoreId::from_bytes([0xa5; 16]);
pub(crate) const ID: ArtifactId = ArtifactId::from_bytes([0x5a; 16]);

/// The recorded calls, the operation that fails, and the blob to return.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spy {
    calls: Arc<Mutex<Vec<String>>>,
    pub(crate) fails: Option<Operation>,
    pub(crate) blob: Bytes,
}

impl Spy {
    pub(crate) fn failing(operation: Operation) -> Self {
        Self {
            fails: Some(operation),
            ..Self::default()
        }
    }

    pub(crate) fn with_blob(blob: &'static [u8]) -> Self {
        Self {
            blob: Bytes::from_static(blob),
            ..Self::default()
        }
    }

    fn call(&self, operation: Operation, arguments: &str) -> Result<()> {
        let call = format!("{operation}{arguments}");
        self.calls.lock().unwrap().push(call);
        if self.fails == Some(operation) {
            return Err(Error::new(ErrorKind::Unavailable, operation).with_id(ID));
        }
        Ok(())
    }

    /// Takes the calls recorded so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[async_trait]
impl ArtifactBackend for Spy {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.call(Operation::Store, &format!(" {} {}", id == ID, bytes.len()))
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.call(Operation::Upload, &format!(" {}", id == ID))?;
        Ok(Box::new(SpyUpload(self.clone())))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.call(Operation::Load, &format!(" {}", id == ID))?;
        Ok(self.blob.clone())
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        self.call(Operation::Download, &format!(" {} {range:?}", id == ID))?;
        let size = self.blob.len() as u64;
        let range = range
            .resolve(size)
            .map_err(|error| Error::invalid_range(Operation::Download, id, error))?;
        let inside = |position: u64| usize::try_from(position).unwrap();
        let bytes = self.blob.slice(inside(range.start)..inside(range.end));
        Ok(Download::new(
            id,
            size,
            range,
            stream::iter([Ok(bytes)]).boxed(),
        ))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.call(Operation::Stat, &format!(" {}", id == ID))?;
        Ok(BlobStat::new(id, 7, SystemTime::UNIX_EPOCH))
    }
}

#[async_trait]
impl ArtifactInventory for Spy {
    async fn list(&self) -> Result<BlobList> {
        self.call(Operation::List, "")?;
        Ok(stream::empty().boxed())
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        self.call(Operation::List, &format!(" {shard} {}", after == Some(ID)))?;
        Ok(stream::empty().boxed())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.call(Operation::Delete, &format!(" {}", id == ID))
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        self.call(Operation::Sweep, &format!(" {older_than:?}"))?;
        let mut report = SweepReport::default();
        report.count_removed(5);
        report.count_removed(6);
        report.count_kept();
        Ok(report)
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.call(Operation::ReadStoreId, "")?;
        Ok(Some(STORE_ID))
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.call(Operation::CreateStoreId, &format!(" {}", new == STORE_ID))?;
        Ok(new)
    }

    async fn probe(&self) -> Result<()> {
        self.call(Operation::Probe, "")
    }

    async fn close(&self) {
        self.calls.lock().unwrap().push("close".to_owned());
    }
}

#[derive(Debug)]
struct SpyUpload(Spy);

#[async_trait]
impl Upload for SpyUpload {
    fn expect_size(&mut self, _bytes: u64) {}

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.0.call(Operation::Write, &format!(" {}", bytes.len()))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.0.call(Operation::Commit, "")
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.0.call(Operation::Abort, "")
    }
}
