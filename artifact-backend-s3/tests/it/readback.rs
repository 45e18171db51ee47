//! The read-back rule, against a store that loses answers and makes them up.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ErrorKind, StreamUploadError,
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

/// What becomes of a create, and what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Play {
    /// It is carried out, and the answer is lost.
    LostAfter,
    /// It never arrives, and no answer comes.
    LostBefore,
    /// It is carried out, and a second attempt of the library's own met it.
    FalselyTaken,
    /// It meets another request, nothing is written, and `AlreadyExists` is said: S3's 409.
    Conflict,
    /// It is refused.
    Denied,
    /// Somebody else was first.
    Others,
}

#[derive(Debug)]
struct Stage {
    inner: InMemory,
    /// The plays of the creates to come; then they just work.
    plays: Mutex<Vec<Play>>,
    /// Whether the last play repeats for ever.
    for_ever: bool,
    blind: bool,
    keeps_metadata: bool,
    creates: AtomicU32,
}

impl Stage {
    fn next(&self) -> Option<Play> {
        self.creates.fetch_add(1, Ordering::Relaxed);
        let mut plays = self.plays.lock().unwrap();
        if self.for_ever && plays.len() == 1 {
            return plays.first().copied();
        }
        (!plays.is_empty()).then(|| plays.remove(0))
    }

    fn ours(at: &Path) -> bool {
        at.as_ref().contains("blobs/")
    }

    async fn play(&self, at: &Path, create: impl Future<Output = Result<()>> + Send) -> Result<()> {
        let path = at.to_string();
        let source = "staged".into();
        match self.next() {
            None => create.await,
            Some(Play::LostAfter) => {
                create.await?;
                Err(lost())
            }
            Some(Play::LostBefore) => Err(lost()),
            Some(Play::FalselyTaken) => {
                create.await?;
                Err(Error::AlreadyExists { path, source })
            }
            Some(Play::Conflict) => Err(Error::AlreadyExists { path, source }),
            Some(Play::Denied) => Err(Error::PermissionDenied { path, source }),
            Some(Play::Others) => {
                self.inner.put(at, "others".into()).await?;
                Err(Error::AlreadyExists { path, source })
            }
        }
    }
}

fn lost() -> Error {
    Error::Generic {
        store: "stage",
        source: "the answer is lost".into(),
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

#[async_trait]
impl ObjectStore for Stage {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if !self.keeps_metadata && !options.attributes.is_empty() {
            return Err(Error::NotImplemented {
                operation: "attributes".into(),
                implementer: "Stage".into(),
            });
        }
        if !Self::ours(at) {
            return self.inner.put_opts(at, payload, options).await;
        }
        let create = async { self.inner.put_opts(at, payload, options).await.map(drop) };
        self.play(at, create).await?;
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
        if self.blind && Self::ours(at) {
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
        self.play(to, self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug, Clone, Copy)]
struct Scene {
    plays: &'static [Play],
    for_ever: bool,
    blind: bool,
    keeps_metadata: bool,
}

const fn scene(plays: &'static [Play]) -> Scene {
    Scene {
        plays,
        for_ever: false,
        blind: false,
        keeps_metadata: true,
    }
}

const OURS: &[u8] = b"0123456789";

/// The outcome, and what is there then, by a store and by an upload of several parts.
async fn outcomes(scene: Scene) -> [(Option<ErrorKind>, Option<Bytes>); 2] {
    let mut outcomes = [(None, None), (None, None)];
    for (large, outcome) in outcomes.iter_mut().enumerate() {
        let stage = Arc::new(Stage {
            inner: InMemory::new(),
            plays: Mutex::new(scene.plays.to_vec()),
            for_ever: scene.for_ever,
            blind: scene.blind,
            keeps_metadata: scene.keeps_metadata,
            creates: AtomicU32::new(0),
        });
        let config = S3Config::default().with_part_bytes(4);
        let backend = ObjectStoreBackend::from_store(Arc::clone(&stage) as _, "", config).unwrap();
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
        let there = match stage.inner.get(&at).await {
            Ok(found) => Some(found.bytes().await.unwrap()),
            Err(_) => None,
        };
        *outcome = (done.err().map(|error| error.kind()), there);
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_told_as_it_is() {
    use Play::{Conflict, Denied, FalselyTaken, LostAfter, LostBefore, Others};
    let ours = || Some(Bytes::from_static(OURS));
    let others = || Some(Bytes::from_static(b"others"));
    let ever = |plays| Scene {
        for_ever: true,
        ..scene(plays)
    };
    let blind = |plays| Scene {
        blind: true,
        ..scene(plays)
    };
    let table = [
        (scene(&[]), None, ours()),
        (scene(&[LostAfter]), None, ours()),
        (scene(&[LostBefore]), None, ours()),
        (scene(&[LostBefore, LostBefore, LostAfter]), None, ours()),
        (scene(&[FalselyTaken]), None, ours()),
        (scene(&[Conflict]), None, ours()),
        (scene(&[Conflict, Conflict, LostAfter]), None, ours()),
        (scene(&[Others]), Some(ErrorKind::AlreadyExists), others()),
        (
            scene(&[LostBefore, Others]),
            Some(ErrorKind::AlreadyExists),
            others(),
        ),
        (scene(&[Denied]), Some(ErrorKind::PermissionDenied), None),
        // The first attempt may be on its way still.
        (
            scene(&[LostBefore, Denied]),
            Some(ErrorKind::Ambiguous),
            None,
        ),
        (ever(&[LostBefore]), Some(ErrorKind::Ambiguous), None),
        (blind(&[LostAfter]), Some(ErrorKind::Ambiguous), ours()),
        (blind(&[LostBefore]), Some(ErrorKind::Ambiguous), None),
        (blind(&[Others]), Some(ErrorKind::Ambiguous), others()),
        (blind(&[]), None, ours()),
    ];
    for (scene, kind, there) in table {
        let expected = [(kind, there.clone()), (kind, there)];
        assert_eq!(outcomes(scene).await, expected, "{scene:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_metadata_what_was_in_doubt_stays_so() {
    use Play::{LostAfter, LostBefore, Others};
    let ours = || Some(Bytes::from_static(OURS));
    let bare = |plays| Scene {
        keeps_metadata: false,
        ..scene(plays)
    };
    let table = [
        (bare(&[]), None, ours()),
        (bare(&[LostAfter]), Some(ErrorKind::Ambiguous), ours()),
        (bare(&[LostBefore]), None, ours()),
        (
            bare(&[Others]),
            Some(ErrorKind::AlreadyExists),
            Some(Bytes::from_static(b"others")),
        ),
    ];
    for (scene, kind, there) in table {
        let expected = [(kind, there.clone()), (kind, there)];
        assert_eq!(outcomes(scene).await, expected, "{scene:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_told_within_the_deadlines() {
    let stage = Arc::new(Stage {
        inner: InMemory::new(),
        plays: Mutex::new(vec![Play::LostBefore]),
        for_ever: true,
        blind: true,
        keeps_metadata: true,
        creates: AtomicU32::new(0),
    });
    let config = S3Config::default()
        .with_deadline(Duration::from_secs(10))
        .with_readback_time(Duration::from_secs(5));
    let backend = ObjectStoreBackend::from_store(stage, "", config).unwrap();
    let began = tokio::time::Instant::now();
    let error = backend
        .store(ArtifactId::mint(), Bytes::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
}
