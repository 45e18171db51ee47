//! The read-back, on a store that loses responses and sends wrong ones.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ErrorKind, StoreId,
    StreamUploadError,
};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The fate of a create and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The store carries out the create, but the response is lost.
    LostAfter,
    /// The create never arrives at the store, and there is no response.
    LostBefore,
    /// The store carries out the create but returns `AlreadyExists`, as after a retry by the library.
    FalseExists,
    /// The create conflicts with another request. The store writes nothing and returns `AlreadyExists` (S3's 409).
    Conflict,
    /// The store rejects the create.
    Denied,
    /// Another writer was first.
    Foreign,
    /// The create never gets a response.
    Silent,
}

#[derive(Debug)]
struct ScriptedStore {
    inner: InMemory,
    /// The fates of the next creates. Later creates succeed.
    fates: Mutex<Vec<Fate>>,
    /// Whether the last fate applies to all later creates.
    repeat_last: bool,
    blind: bool,
    keeps_metadata: bool,
    creates: AtomicU32,
}

impl ScriptedStore {
    fn next(&self) -> Option<Fate> {
        self.creates.fetch_add(1, Ordering::Relaxed);
        let mut fates = self.fates.lock().unwrap();
        if self.repeat_last && fates.len() == 1 {
            return fates.first().copied();
        }
        (!fates.is_empty()).then(|| fates.remove(0))
    }

    /// Returns whether the fates apply to this key.
    fn is_scripted(at: &Path) -> bool {
        at.as_ref().contains("blobs/") || Self::is_store_id(at)
    }

    fn is_store_id(at: &Path) -> bool {
        at.as_ref() == "store-id"
    }

    async fn apply_fate(
        &self,
        at: &Path,
        create: impl Future<Output = Result<()>> + Send,
    ) -> Result<()> {
        let path = at.to_string();
        let source = "scripted".into();
        match self.next() {
            None => create.await,
            Some(Fate::LostAfter) => {
                create.await?;
                Err(lost())
            }
            Some(Fate::LostBefore) => Err(lost()),
            Some(Fate::FalseExists) => {
                create.await?;
                Err(Error::AlreadyExists { path, source })
            }
            Some(Fate::Conflict) => Err(Error::AlreadyExists { path, source }),
            Some(Fate::Denied) => Err(Error::PermissionDenied { path, source }),
            Some(Fate::Silent) => std::future::pending().await,
            Some(Fate::Foreign) => {
                let others = if Self::is_store_id(at) {
                    FOREIGN.to_line()
                } else {
                    "others".into()
                };
                self.inner.put(at, others.into()).await?;
                Err(Error::AlreadyExists { path, source })
            }
        }
    }
}

/// The store id of another writer.
const FOREIGN: StoreId = StoreId::from_bytes([7; 16]);

fn lost() -> Error {
    Error::Generic {
        store: "scripted",
        source: "the response is lost".into(),
    }
}

impl fmt::Display for ScriptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedStore")
    }
}

#[async_trait]
impl ObjectStore for ScriptedStore {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if !self.keeps_metadata && !options.attributes.is_empty() {
            return Err(Error::NotImplemented {
                operation: "attributes".into(),
                implementer: "ScriptedStore".into(),
            });
        }
        if !Self::is_scripted(at) {
            return self.inner.put_opts(at, payload, options).await;
        }
        let create = async { self.inner.put_opts(at, payload, options).await.map(drop) };
        self.apply_fate(at, create).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: object_store::Extensions::new(),
        })
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        if self.blind && Self::is_scripted(at) {
            let fates = self.fates.lock().unwrap().clone();
            if fates == [Fate::Silent] {
                std::future::pending::<()>().await;
            }
            return Err(lost());
        }
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        places: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(places)
    }

    fn list(&self, place: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(place)
    }

    async fn list_with_delimiter(&self, place: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(place).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.apply_fate(to, self.inner.copy_opts(from, to, options))
            .await
    }
}

#[derive(Debug, Clone, Copy)]
struct Scenario {
    fates: &'static [Fate],
    repeat_last: bool,
    blind: bool,
    keeps_metadata: bool,
}

const fn scenario(fates: &'static [Fate]) -> Scenario {
    Scenario {
        fates,
        repeat_last: false,
        blind: false,
        keeps_metadata: true,
    }
}

const OURS: &[u8] = b"0123456789";

/// Returns the outcome and the object afterwards, for a store and for an upload of several parts.
async fn outcomes(scenario: Scenario) -> [(Option<ErrorKind>, Option<Bytes>); 2] {
    let mut outcomes = [(None, None), (None, None)];
    for (large, outcome) in outcomes.iter_mut().enumerate() {
        let store = Arc::new(ScriptedStore {
            inner: InMemory::new(),
            fates: Mutex::new(scenario.fates.to_vec()),
            repeat_last: scenario.repeat_last,
            blind: scenario.blind,
            keeps_metadata: scenario.keeps_metadata,
            creates: AtomicU32::new(0),
        });
        let config = S3Config::default().with_part_bytes(4);
        let backend = ObjectStoreBackend::from_store(Arc::clone(&store) as _, "", config).unwrap();
        let id = ArtifactId::mint();
        let done = if large == 1 {
            let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(OURS))]);
            match backend.upload_stream(id, pieces).await {
                Ok(size) => {
                    assert_eq!(size, 10);
                    Ok(())
                }
                Err(StreamUploadError::Backend(error)) => Err(error),
                Err(error) => panic!("{error}"),
            }
        } else {
            backend.store(id, Bytes::from_static(OURS)).await
        };
        backend.close().await;
        let at = Path::from(format!("blobs/{id}"));
        let there = match store.inner.get(&at).await {
            Ok(found) => Some(found.bytes().await.unwrap()),
            Err(_) => None,
        };
        *outcome = (done.err().map(|error| error.kind()), there);
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_reported_correctly() {
    use Fate::{Conflict, Denied, FalseExists, Foreign, LostAfter, LostBefore};
    let ours = || Some(Bytes::from_static(OURS));
    let others = || Some(Bytes::from_static(b"others"));
    let always = |fates| Scenario {
        repeat_last: true,
        ..scenario(fates)
    };
    let blind = |fates| Scenario {
        blind: true,
        ..scenario(fates)
    };
    let table = [
        (scenario(&[]), None, ours()),
        (scenario(&[LostAfter]), None, ours()),
        (scenario(&[LostBefore]), None, ours()),
        (scenario(&[LostBefore, LostBefore, LostAfter]), None, ours()),
        (scenario(&[FalseExists]), None, ours()),
        (scenario(&[Conflict]), None, ours()),
        (scenario(&[Conflict, Conflict, LostAfter]), None, ours()),
        (
            scenario(&[Foreign]),
            Some(ErrorKind::AlreadyExists),
            others(),
        ),
        (
            scenario(&[LostBefore, Foreign]),
            Some(ErrorKind::AlreadyExists),
            others(),
        ),
        (scenario(&[Denied]), Some(ErrorKind::PermissionDenied), None),
        // The first attempt may still be in progress.
        (
            scenario(&[LostBefore, Denied]),
            Some(ErrorKind::Ambiguous),
            None,
        ),
        (always(&[LostBefore]), Some(ErrorKind::Ambiguous), None),
        (blind(&[LostAfter]), Some(ErrorKind::Ambiguous), ours()),
        (blind(&[LostBefore]), Some(ErrorKind::Ambiguous), None),
        (blind(&[Foreign]), Some(ErrorKind::Ambiguous), others()),
        (blind(&[]), None, ours()),
    ];
    for (scenario, kind, there) in table {
        let expected = [(kind, there.clone()), (kind, there)];
        assert_eq!(outcomes(scenario).await, expected, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_metadata_unknown_outcomes_stay_ambiguous() {
    use Fate::{Foreign, LostAfter, LostBefore};
    let ours = || Some(Bytes::from_static(OURS));
    let bare = |fates| Scenario {
        keeps_metadata: false,
        ..scenario(fates)
    };
    let table = [
        (bare(&[]), None, ours()),
        (bare(&[LostAfter]), Some(ErrorKind::Ambiguous), ours()),
        (bare(&[LostBefore]), None, ours()),
        (
            bare(&[Foreign]),
            Some(ErrorKind::AlreadyExists),
            Some(Bytes::from_static(b"others")),
        ),
    ];
    for (scenario, kind, there) in table {
        let expected = [(kind, there.clone()), (kind, there)];
        assert_eq!(outcomes(scenario).await, expected, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_outcomes_are_reported_within_the_deadlines() {
    let store = Arc::new(ScriptedStore {
        inner: InMemory::new(),
        fates: Mutex::new(vec![Fate::LostBefore]),
        repeat_last: true,
        blind: true,
        keeps_metadata: true,
        creates: AtomicU32::new(0),
    });
    let config = S3Config::default()
        .with_deadline(Duration::from_secs(10))
        .with_readback_time(Duration::from_secs(5));
    let backend = ObjectStoreBackend::from_store(store, "", config).unwrap();
    let began = tokio::time::Instant::now();
    let error = backend
        .store(ArtifactId::mint(), Bytes::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_create_on_a_dead_storage_fails_after_one_deadline() {
    for fate in [Fate::Silent, Fate::LostBefore] {
        let store = Arc::new(ScriptedStore {
            inner: InMemory::new(),
            fates: Mutex::new(vec![fate]),
            repeat_last: true,
            blind: true,
            keeps_metadata: true,
            creates: AtomicU32::new(0),
        });
        let backend = ObjectStoreBackend::from_store(store, "", S3Config::default()).unwrap();
        let began = tokio::time::Instant::now();
        let stored = backend.store(ArtifactId::mint(), Bytes::from_static(OURS));
        let error = stored.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        // The caller tries no other id.
        assert!(error.has_timed_out(), "{fate:?}");
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(45), "{fate:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_never_answered_is_sent_again() {
    for blob in [OURS.to_vec(), vec![1; 8 << 20]] {
        let store = Arc::new(ScriptedStore {
            inner: InMemory::new(),
            fates: Mutex::new(vec![Fate::Silent]),
            repeat_last: false,
            blind: false,
            keeps_metadata: true,
            creates: AtomicU32::new(0),
        });
        let backend = ObjectStoreBackend::from_store(store, "", S3Config::default()).unwrap();
        let id = ArtifactId::mint();
        backend.store(id, blob.clone().into()).await.unwrap();
        assert_eq!(backend.load(id).await.unwrap(), blob);
    }
}

/// The bytes of the object tell whose create succeeded, so an unknown outcome needs no metadata.
#[tokio::test(start_paused = true)]
async fn the_store_id_is_known_after_every_lost_response() {
    use Fate::{Conflict, Denied, FalseExists, Foreign, LostAfter, LostBefore};
    let mine = StoreId::from_bytes([1; 16]);
    for keeps_metadata in [true, false] {
        for (fates, expected) in [
            (&[][..], Ok(mine)),
            (&[LostAfter], Ok(mine)),
            (&[LostBefore], Ok(mine)),
            (&[FalseExists], Ok(mine)),
            (&[Conflict], Ok(mine)),
            (&[LostBefore, Conflict, LostAfter], Ok(mine)),
            (&[Foreign], Ok(FOREIGN)),
            (&[LostBefore, Foreign], Ok(FOREIGN)),
            (&[Denied], Err(ErrorKind::PermissionDenied)),
        ] {
            let store = Arc::new(ScriptedStore {
                inner: InMemory::new(),
                fates: Mutex::new(fates.to_vec()),
                repeat_last: false,
                blind: false,
                keeps_metadata,
                creates: AtomicU32::new(0),
            });
            let config = S3Config::default();
            let backend = ObjectStoreBackend::from_store(store, "", config).unwrap();
            let created = backend.create_store_id(mine).await;
            let created = created.map_err(|error| {
                assert_eq!(error.id(), None, "it is not about a blob");
                error.kind()
            });
            assert_eq!(created, expected, "{fates:?} {keeps_metadata}");
            let found = backend.store_id().await.unwrap();
            assert_eq!(found, expected.ok(), "{fates:?} {keeps_metadata}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_id_that_cannot_be_read_is_an_error_and_not_a_missing_one() {
    let inner = InMemory::new();
    for content in ["", "store-0", "others", &"x".repeat(100_000)] {
        inner
            .put(&Path::from("prefix/store-id"), content.to_owned().into())
            .await
            .unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(inner.fork());
        let backend = ObjectStoreBackend::from_store(store, "prefix", S3Config::default()).unwrap();
        let error = backend.store_id().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.detail().contains("prefix/store-id"), "{error}");
        let error = backend.create_store_id(FOREIGN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let store = Arc::new(ScriptedStore {
        inner: InMemory::new(),
        fates: Mutex::default(),
        repeat_last: false,
        blind: true,
        keeps_metadata: true,
        creates: AtomicU32::new(0),
    });
    let backend = ObjectStoreBackend::from_store(store, "", S3Config::default()).unwrap();
    let error = backend.store_id().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
