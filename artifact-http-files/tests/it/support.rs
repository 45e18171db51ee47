//! A store in memory with one experiment.

use artifact_http_files::{ReceiveError, ReceivedFile};
use artifact_store::{
    ArtifactStore, Backend, Database, Experiment, NewArtifact, Principal, Row, StoreConfig,
    Timestamp,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

pub(crate) type Piece = Result<Bytes, std::io::Error>;

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) store: ArtifactStore,
    pub(crate) home: Experiment,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let backend = Backend::from_url("mem:").await.unwrap().backend();
        let catalog = Database::from_url("mem:").await.unwrap().catalog;
        let home = Experiment::new("demo".parse().unwrap(), Timestamp::UNIX_EPOCH);
        catalog.create_experiment(&home).await.unwrap();
        let store = ArtifactStore::new(backend, catalog, StoreConfig::default());
        Self { store, home }
    }

    pub(crate) fn new_artifact(&self) -> NewArtifact {
        NewArtifact::new(self.home.id.clone(), &Principal::admin())
    }

    /// Deposits the file of a request.
    pub(crate) async fn deposit(
        &self,
        headers: &HeaderMap,
        body: impl Stream<Item = Piece> + Unpin,
    ) -> Result<Arc<Row>, ReceiveError> {
        let mut file = ReceivedFile::open(headers, body).await?;
        let mut deposit = self.store.deposit(file.describe(self.new_artifact()));
        while let Some(chunk) = file.next().await? {
            deposit.write(chunk).await.unwrap();
        }
        Ok(deposit.finish().await.unwrap())
    }
}

pub(crate) fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (HeaderName::from_static(name), value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

/// A body in pieces of this length.
pub(crate) fn body(bytes: &[u8], piece: usize) -> stream::Iter<std::vec::IntoIter<Piece>> {
    let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice).map(Ok);
    stream::iter(pieces.collect::<Vec<_>>())
}
