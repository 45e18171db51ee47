//! Compares random sequences of operations with a model: a plain map and a sum.

use std::collections::BTreeMap;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind, Result, Upload,
};
use artifact_backend_mem::{MemBackend, MemConfig};
use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use proptest::prelude::*;

const LIMIT: u64 = 40;

#[derive(Debug, Clone)]
enum Step {
    Store { id: u8, len: usize },
    Begin { id: u8 },
    Write { upload: usize, len: usize },
    Commit { upload: usize },
    Abort { upload: usize },
    Drop { upload: usize },
    Load { id: u8 },
    Download { id: u8, first: u64, last: u64 },
    Delete { id: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..4_u8;
    let step = prop_oneof![
        (id.clone(), 0..20_usize).prop_map(|(id, len)| Step::Store { id, len }),
        id.clone().prop_map(|id| Step::Begin { id }),
        (0..4_usize, 0..20_usize).prop_map(|(upload, len)| Step::Write { upload, len }),
        (0..4_usize).prop_map(|upload| Step::Commit { upload }),
        (0..4_usize).prop_map(|upload| Step::Abort { upload }),
        (0..4_usize).prop_map(|upload| Step::Drop { upload }),
        id.clone().prop_map(|id| Step::Load { id }),
        (id.clone(), 0..25_u64, 0..25_u64).prop_map(|(id, first, last)| Step::Download {
            id,
            first,
            last
        }),
        id.prop_map(|id| Step::Delete { id }),
    ];
    proptest::collection::vec(step, 0..60)
}

fn id(byte: u8) -> ArtifactId {
    ArtifactId::from_bytes([byte; 16])
}

/// Polls a future once. Every future of this backend is done at its first poll.
fn now<T>(future: impl Future<Output = Result<T>>) -> Result<T, ErrorKind> {
    let done = future.now_or_never().expect("no operation waits");
    done.map_err(|error| error.kind())
}

/// The result of the backend, and the result that the model expects.
type Results<T> = (Result<T, ErrorKind>, Result<T, ErrorKind>);

/// An upload in progress, with its expected state.
struct InFlight {
    real: Box<dyn Upload>,
    id: u8,
    bytes: Vec<u8>,
    broken: bool,
}

#[derive(Default)]
struct Model {
    blobs: BTreeMap<u8, Vec<u8>>,
    uploads: Vec<InFlight>,
    /// Makes each chunk different.
    next: u8,
}

impl Model {
    fn used(&self) -> u64 {
        let blobs = self.blobs.values().map(Vec::len);
        let uploads = self.uploads.iter().map(|upload| upload.bytes.len());
        blobs.chain(uploads).sum::<usize>() as u64
    }

    fn fits(&self, len: usize) -> bool {
        self.used() + len as u64 <= LIMIT
    }

    fn chunk(&mut self, len: usize) -> Vec<u8> {
        self.next = self.next.wrapping_add(1);
        vec![self.next; len]
    }

    /// Commits, aborts or drops an upload.
    fn end(&mut self, upload: InFlight, step: &Step) -> Results<()> {
        match step {
            Step::Abort { .. } => (now(upload.real.abort()), Ok(())),
            Step::Drop { .. } => {
                drop(upload.real);
                (Ok(()), Ok(()))
            }
            _ => {
                let found = now(upload.real.commit());
                if upload.broken {
                    return (found, Err(ErrorKind::Unexpected));
                }
                if self.blobs.contains_key(&upload.id) {
                    return (found, Err(ErrorKind::AlreadyExists));
                }
                self.blobs.insert(upload.id, upload.bytes);
                (found, Ok(()))
            }
        }
    }

    /// Runs the step on the backend and on the model, and returns both results.
    fn step(&mut self, real: &MemBackend, step: &Step) -> Results<Bytes> {
        let nothing = |()| Bytes::new();
        let absent = Err(ErrorKind::NotFound);
        match *step {
            Step::Store { id: at, len } => {
                let bytes = self.chunk(len);
                let found = now(real.store(id(at), bytes.clone().into())).map(nothing);
                if self.blobs.contains_key(&at) {
                    return (found, Err(ErrorKind::AlreadyExists));
                }
                if !self.fits(len) {
                    return (found, Err(ErrorKind::OutOfSpace));
                }
                self.blobs.insert(at, bytes);
                (found, Ok(Bytes::new()))
            }
            Step::Begin { id: at } => {
                let found = now(real.upload(id(at))).map(|real| {
                    self.uploads.push(InFlight {
                        real,
                        id: at,
                        bytes: Vec::new(),
                        broken: false,
                    });
                });
                let expected = if self.blobs.contains_key(&at) {
                    Err(ErrorKind::AlreadyExists)
                } else {
                    Ok(())
                };
                (found.map(nothing), expected.map(nothing))
            }
            Step::Write { upload, len } => {
                let (chunk, fits) = (self.chunk(len), self.fits(len));
                let Some(upload) = self.uploads.get_mut(upload) else {
                    return (Ok(Bytes::new()), Ok(Bytes::new()));
                };
                let found = now(upload.real.write(chunk.clone().into())).map(nothing);
                if upload.broken {
                    return (found, Err(ErrorKind::Unexpected));
                }
                if !fits {
                    upload.broken = true;
                    return (found, Err(ErrorKind::OutOfSpace));
                }
                upload.bytes.extend_from_slice(&chunk);
                (found, Ok(Bytes::new()))
            }
            Step::Commit { upload } | Step::Abort { upload } | Step::Drop { upload } => {
                if upload >= self.uploads.len() {
                    return (Ok(Bytes::new()), Ok(Bytes::new()));
                }
                let upload = self.uploads.swap_remove(upload);
                let (found, expected) = self.end(upload, step);
                (found.map(nothing), expected.map(nothing))
            }
            Step::Load { id: at } => {
                let expected = self
                    .blobs
                    .get(&at)
                    .cloned()
                    .map_or(absent, |blob| Ok(blob.into()));
                (now(real.load(id(at))), expected)
            }
            Step::Download {
                id: at,
                first,
                last,
            } => {
                let range = ByteRange::FromTo { first, last };
                let found = now(real.download(id(at), range))
                    .and_then(|download| now(download.into_bytes()));
                let Some(blob) = self.blobs.get(&at) else {
                    return (found, absent);
                };
                let inside = |position: &u64| first <= *position && *position <= last;
                let expected: Vec<u8> = (0..)
                    .zip(blob)
                    .filter(|(at, _)| inside(at))
                    .map(|(_, byte)| *byte)
                    .collect();
                if expected.is_empty() {
                    return (found, Err(ErrorKind::InvalidRange));
                }
                (found, Ok(expected.into()))
            }
            Step::Delete { id: at } => {
                self.blobs.remove(&at);
                (now(real.delete(id(at))).map(nothing), Ok(Bytes::new()))
            }
        }
    }
}

proptest! {
    #[test]
    fn every_result_and_state_matches_the_model(steps in steps()) {
        let real = MemBackend::new(MemConfig::default().with_max_total_bytes(LIMIT));
        let mut model = Model::default();
        for step in &steps {
            let (found, expected) = model.step(&real, step);
            prop_assert_eq!(found, expected, "{:?}", step);
            prop_assert_eq!(real.used_bytes(), model.used(), "{:?}", step);
            let list = now(real.list()).unwrap();
            let listed = now(list.map_ok(|blob| (blob.id, blob.size)).try_collect::<Vec<_>>());
            let blobs: Vec<_> = model
                .blobs
                .iter()
                .map(|(at, blob)| (id(*at), blob.len() as u64))
                .collect();
            prop_assert_eq!(listed, Ok(blobs), "{:?}", step);
        }
        drop(model);
        let left = now(real.list()).unwrap();
        let left = now(left.try_fold(0, |sum, blob| async move { Ok(sum + blob.size) })).unwrap();
        prop_assert_eq!(real.used_bytes(), left, "dropped uploads must free their room");
    }
}
