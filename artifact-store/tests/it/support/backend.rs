//! A backend with scripted faults, which yields before and after each operation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use artifact_backend::{
    ArtifactBackend, ArtifactId, BlobStat, ByteRange, Download, Error, ErrorKind, Operation,
    Result, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::yield_now;

/// A fault of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The call fails and does nothing.
    Before(ErrorKind),
    /// The call does its work and fails all the same.
    After(ErrorKind),
    /// The call does nothing and never returns.
    Hang,
}

#[derive(Debug)]
pub(crate) struct FaultyBackend {
    inner: Arc<dyn ArtifactBackend>,
    script: Arc<Script>,
}

#[derive(Debug, Default)]
struct Script {
    faults: Mutex<VecDeque<(Operation, Fault)>>,
    calls: Mutex<Vec<Operation>>,
}

impl FaultyBackend {
    pub(crate) fn new(inner: Arc<dyn ArtifactBackend>) -> Self {
        Self {
            inner,
            script: Arc::default(),
        }
    }

    /// Makes the next call of this operation fail. Several faults occur in the order of the script.
    pub(crate) fn fail(&self, operation: Operation, fault: Fault) {
        let mut faults = self.script.faults.lock().unwrap();
        faults.push_back((operation, fault));
    }

    /// Returns the calls so far.
    pub(crate) fn calls(&self) -> Vec<Operation> {
        self.script.calls.lock().unwrap().clone()
    }
}

impl Script {
    async fn run<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.calls.lock().unwrap().push(operation);
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            match faults.front() {
                Some((next, _)) if *next == operation => faults.pop_front(),
                _ => None,
            }
        };
        yield_now().await;
        let failed = |kind| Err(Error::new(kind, operation).with_detail("scripted"));
        let done = match fault {
            Some((_, Fault::Before(kind))) => failed(kind),
            Some((_, Fault::After(kind))) => work.await.and(failed(kind)),
            Some((_, Fault::Hang)) => std::future::pending().await,
            None => work.await,
        };
        yield_now().await;
        done
    }
}

#[async_trait]
impl ArtifactBackend for FaultyBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let work = self.inner.store(id, bytes);
        self.script.run(Operation::Store, work).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let work = self.inner.upload(id);
        let inner = self.script.run(Operation::Upload, work).await?;
        Ok(Box::new(FaultyUpload {
            inner,
            script: Arc::clone(&self.script),
        }))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.script.run(Operation::Load, self.inner.load(id)).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let work = self.inner.download(id, range);
        self.script.run(Operation::Download, work).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.script.run(Operation::Stat, self.inner.stat(id)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn Upload>,
    script: Arc<Script>,
}

#[async_trait]
impl Upload for FaultyUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let work = self.inner.write(bytes);
        self.script.run(Operation::Write, work).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let work = self.inner.commit();
        self.script.run(Operation::Commit, work).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let work = self.inner.abort();
        self.script.run(Operation::Abort, work).await
    }
}
