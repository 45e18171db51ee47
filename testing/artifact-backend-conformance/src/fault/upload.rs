//! Uploads that fail on demand.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ErrorKind, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::Bytes;

use super::plan::{Plan, Point, injected};

#[derive(Debug)]
pub(crate) struct FaultUpload {
    pub(crate) inner: Box<dyn Upload>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) id: ArtifactId,
    /// Whether a write failed or was dropped in this wrapper. The inner upload may not know of it.
    pub(crate) broken: bool,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Upload for FaultUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let call = self.plan.call(Operation::Write);
        if self.broken {
            return Err(injected(
                ErrorKind::Unexpected,
                Operation::Write,
                Some(self.id),
            ));
        }
        // Reset at the end, because this future may be dropped at any await point below.
        self.broken = true;
        call.at(Point::Before, Some(self.id)).await?;
        self.inner.write(bytes).await?;
        call.at(Point::After, Some(self.id)).await?;
        self.broken = false;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let call = self.plan.call(Operation::Commit);
        if self.broken {
            return Err(injected(
                ErrorKind::Unexpected,
                Operation::Commit,
                Some(self.id),
            ));
        }
        call.at(Point::Before, Some(self.id)).await?;
        self.inner.commit().await?;
        call.at(Point::After, Some(self.id)).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let call = self.plan.call(Operation::Abort);
        call.at(Point::Before, Some(self.id)).await?;
        self.inner.abort().await?;
        call.at(Point::After, Some(self.id)).await
    }
}
