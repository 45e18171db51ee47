//! Any number of blobs that take no space: the bytes of each follow from its id.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// The size of each blob in bytes.
pub const SIZE: u64 = 8;

/// The blobs with the numbers below `count`. Their ids are spread evenly, in the order of the numbers.
#[derive(Debug)]
pub struct SparseBlobs {
    count: u64,
    store_id: OnceLock<StoreId>,
}

impl SparseBlobs {
    pub fn new(count: u64, store_id: StoreId) -> Self {
        Self {
            count,
            store_id: OnceLock::from(store_id),
        }
    }

    fn step(&self) -> u64 {
        u64::MAX / self.count.max(1)
    }

    /// Returns the id of a blob.
    pub fn id(&self, number: u64) -> ArtifactId {
        let high = number * self.step();
        let low = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ArtifactId::from_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    pub fn bytes(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    fn find(&self, operation: Operation, id: ArtifactId) -> Result<u64> {
        let high = (u128::from_be_bytes(*id.as_bytes()) >> 64) as u64;
        let number = high / self.step();
        if number < self.count && self.id(number) == id {
            return Ok(number);
        }
        Err(Error::new(ErrorKind::NotFound, operation).with_id(id))
    }

    /// Returns the first number whose id is after this one.
    fn after(&self, id: ArtifactId) -> u64 {
        let high = (u128::from_be_bytes(*id.as_bytes()) >> 64) as u64;
        let number = high / self.step();
        number + u64::from(self.id(number) <= id)
    }

    fn range(&self, from: u64, to: u64) -> BlobList {
        let (count, store_id) = (self.count, self.store_id.clone());
        let blobs = Self { count, store_id };
        let stat = move |number| {
            Ok(BlobStat::new(
                blobs.id(number),
                SIZE,
                SystemTime::UNIX_EPOCH,
            ))
        };
        stream::iter((from..to.min(count)).map(stat)).boxed()
    }
}

fn refuse<T>(operation: Operation) -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, operation))
}

#[async_trait]
impl ArtifactBackend for SparseBlobs {
    async fn store(&self, _: ArtifactId, _: Bytes) -> Result<()> {
        refuse(Operation::Store)
    }

    async fn upload(&self, _: ArtifactId) -> Result<Box<dyn Upload>> {
        refuse(Operation::Upload)
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let number = self.find(Operation::Load, id)?;
        Ok(Bytes::copy_from_slice(&Self::bytes(number)))
    }

    async fn download(&self, id: ArtifactId, _: ByteRange) -> Result<Download> {
        Ok(Download::in_memory(id, self.load(id).await?))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.find(Operation::Stat, id)?;
        Ok(BlobStat::new(id, SIZE, SystemTime::UNIX_EPOCH))
    }
}

#[async_trait]
impl ArtifactInventory for SparseBlobs {
    async fn list(&self) -> Result<BlobList> {
        Ok(self.range(0, self.count))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let first = shard.first_id();
        let from = match after {
            Some(after) if after >= first => self.after(after),
            _ => self.after(first) - u64::from(self.find(Operation::List, first).is_ok()),
        };
        Ok(self.range(from, self.after(shard.last_id())))
    }

    async fn delete(&self, _: ArtifactId) -> Result<()> {
        refuse(Operation::Delete)
    }

    async fn sweep(&self, _: Duration) -> Result<SweepReport> {
        Ok(SweepReport::default())
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        Ok(self.store_id.get().copied())
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        Ok(*self.store_id.get_or_init(|| new))
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}
