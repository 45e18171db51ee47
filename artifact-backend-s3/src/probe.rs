//! The probe: tests whether a store keeps the promises that this backend relies on.
//!
//! Some servers that speak S3 ignore `If-None-Match` and overwrite. Some honour it only without
//! concurrent writers, or only in single requests and not when an upload completes. All of them
//! respond 200.

use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{Error, ErrorKind, Operation, Result};
use bytes::Bytes;
use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStoreExt as _, PutPayload};

use crate::cleanup::warn_left_behind;
use crate::create::Creation;
use crate::error::{Outcome, RequestError};
use crate::inventory::Listing;
use crate::multipart::MultipartSession;
use crate::shared::Bucket;
use crate::write_id::WriteId;

/// The capabilities of a store that passed the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// Whether the store keeps metadata, so that every unknown outcome can be resolved.
    pub keeps_metadata: bool,
}

/// How many writers create one key concurrently, and in how many rounds. A server that checks before
/// it writes fails most rounds of such a race, but not every one.
const RACERS: usize = 8;
const ROUNDS: usize = 4;
/// The same for uploads in parts, with fewer writers, because each sends more requests. SeaweedFS 4.48
/// failed four rounds of six, so eight rounds miss it about once in several thousand probes.
const UPLOAD_RACERS: usize = 4;
const UPLOAD_ROUNDS: usize = 8;

pub(crate) async fn probe(bucket: &Arc<Bucket>) -> Result<ProbeReport> {
    bucket.check_exists().await.map_err(failed)?;
    let probe = Probe {
        bucket,
        keeps_metadata: bucket.keeps_metadata(Operation::Open).await?,
        keys: Mutex::default(),
    };
    let outcome = probe.run().await;
    probe.remove_objects().await;
    outcome
}

struct Probe<'b> {
    bucket: &'b Arc<Bucket>,
    keeps_metadata: bool,
    /// The keys to remove at the end.
    keys: Mutex<Vec<Path>>,
}

/// A writer with its own bytes and its own write id.
#[derive(Clone, Copy)]
struct Writer(WriteId);

impl Writer {
    fn bytes(self) -> Bytes {
        self.0.to_string().into()
    }
}

impl Probe<'_> {
    async fn run(&self) -> Result<ProbeReport> {
        self.check_second_create().await?;
        for _ in 0..ROUNDS {
            self.check_racing_creates().await?;
        }
        self.check_upload_over_object().await?;
        for _ in 0..UPLOAD_ROUNDS {
            self.check_racing_uploads().await?;
        }
        self.check_ranges().await?;
        self.check_list_and_delete().await?;
        Ok(ProbeReport {
            keeps_metadata: self.keeps_metadata,
        })
    }

    async fn check_second_create(&self) -> Result<()> {
        let key = self.key();
        let [first, second] = [Writer(WriteId::new()), Writer(WriteId::new())];
        if !self.create(&key, first).await? {
            return Err(flaw("it reports that a fresh key exists"));
        }
        if self.create(&key, second).await? {
            return Err(flaw(
                "it let a second create of one key succeed: it ignores If-None-Match and overwrites",
            ));
        }
        self.check_content(&key, &[first], "after it rejected a second create")
            .await
    }

    async fn check_racing_creates(&self) -> Result<()> {
        let key = self.key();
        let writers: Vec<_> = (0..RACERS).map(|_| Writer(WriteId::new())).collect();
        let creates = writers.iter().map(|writer| self.create(&key, *writer));
        let outcomes = join_all(creates).await;
        self.check_one_winner(&key, &writers, outcomes, "creates")
            .await
    }

    async fn check_upload_over_object(&self) -> Result<()> {
        let key = self.key();
        let [first, second] = [Writer(WriteId::new()), Writer(WriteId::new())];
        if !self.create(&key, first).await? {
            return Err(flaw("it reports that a fresh key exists"));
        }
        if self.upload(&key, second).await? {
            return Err(flaw(
                "it let an upload in parts succeed over an object: it ignores If-None-Match when an \
                 upload completes, and overwrites",
            ));
        }
        self.check_content(&key, &[first], "after it rejected an upload")
            .await
    }

    async fn check_racing_uploads(&self) -> Result<()> {
        let key = self.key();
        let writers: Vec<_> = (0..UPLOAD_RACERS).map(|_| Writer(WriteId::new())).collect();
        let uploads = writers.iter().map(|writer| self.upload(&key, *writer));
        let outcomes = join_all(uploads).await;
        self.check_one_winner(&key, &writers, outcomes, "uploads in parts")
            .await
    }

    async fn check_one_winner(
        &self,
        key: &Path,
        writers: &[Writer],
        outcomes: Vec<Result<bool>>,
        race: &str,
    ) -> Result<()> {
        let mut winners = Vec::new();
        for (writer, outcome) in writers.iter().zip(outcomes) {
            if outcome? {
                winners.push(*writer);
            }
        }
        if winners.len() > 1 {
            return Err(flaw(format!(
                "it let {} of {} {race} that raced for one key succeed: it checks first and writes \
                 later, and overwrites what was written in between",
                winners.len(),
                writers.len()
            )));
        }
        // All writers may conflict with each other. Then none wins, and the object does not exist.
        if winners.is_empty() {
            return Ok(());
        }
        self.check_content(key, &winners, "after a race").await
    }

    /// Checks that the object comes from one of these writers, by its bytes and its write id.
    async fn check_content(&self, key: &Path, writers: &[Writer], when: &str) -> Result<()> {
        let get = || async {
            let found = self.bucket.store.get(key).await?;
            let write_id = WriteId::of(&found.attributes);
            Ok::<_, object_store::Error>((write_id, found.bytes().await?))
        };
        let (write_id, bytes) = match self.bucket.repeat(get).await {
            Ok(found) => found,
            Err(error) if error.outcome == Outcome::NoObject => {
                return Err(flaw(format!("it lost an object {when}")));
            }
            Err(error) => return Err(failed(error)),
        };
        let Some(writer) = writers.iter().find(|writer| writer.bytes() == bytes) else {
            return Err(flaw(format!(
                "it returns bytes that differ from the acknowledged write, {when}"
            )));
        };
        if self.keeps_metadata && write_id != Some(writer.0) {
            return Err(flaw(format!("it lost an object's metadata {when}")));
        }
        if !self.keeps_metadata && self.bucket.capabilities.is_cloud {
            return Err(flaw("it does not keep the metadata of objects"));
        }
        Ok(())
    }

    async fn check_ranges(&self) -> Result<()> {
        let (key, writer) = (self.key(), Writer(WriteId::new()));
        self.create(&key, writer).await?;
        let bytes = writer.bytes();
        let mut ranges = vec![(GetRange::Bounded(3..17), bytes.slice(3..17))];
        if self.bucket.capabilities.is_cloud {
            ranges.push((GetRange::Offset(30), bytes.slice(30..)));
        }
        if self.bucket.capabilities.suffix_ranges {
            ranges.push((GetRange::Suffix(5), bytes.slice(27..)));
        }
        for (range, expected) in ranges {
            let get = || async {
                let options = GetOptions::new().with_range(Some(range.clone()));
                let found = self.bucket.store.get_opts(&key, options).await?;
                let size = found.meta.size;
                Ok::<_, object_store::Error>((size, found.bytes().await?))
            };
            let wrong = || flaw(format!("it returns the wrong bytes for the range {range}"));
            match self.bucket.repeat(get).await {
                Ok((32, found)) if found == expected => {}
                Ok(_) => return Err(wrong()),
                // The library itself rejects a response for another range.
                Err(error) if error.outcome == Outcome::Unknown => {
                    return Err(wrong().with_source(failed(error)));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    async fn check_list_and_delete(&self) -> Result<()> {
        let (key, writer) = (self.key(), Writer(WriteId::new()));
        self.create(&key, writer).await?;
        let mut listing = Listing::new(self.bucket, self.bucket.layout.staging());
        loop {
            match listing.next().await.map_err(failed)? {
                Some(object) if object.location == key => break,
                Some(_) => {}
                None => return Err(flaw("a list does not show an object that exists")),
            }
        }
        let delete = || self.bucket.store.delete(&key);
        self.bucket.repeat(delete).await.map_err(failed)?;
        match self.bucket.repeat(|| self.bucket.head(&key)).await {
            Err(error) if error.outcome == Outcome::NoObject => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(_) => Err(flaw("it still has an object that was deleted")),
        }
    }

    fn key(&self) -> Path {
        let key = self.bucket.layout.probe(WriteId::new());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key.clone());
        key
    }

    fn creation(&self, key: &Path, writer: Writer) -> Creation {
        Creation {
            operation: Operation::Open,
            id: None,
            key: key.clone(),
            write_id: writer.0,
            keeps_metadata: self.keeps_metadata,
        }
    }

    /// Creates an object in one request, without a retry. Returns `false` if another object exists.
    async fn create(&self, key: &Path, writer: Writer) -> Result<bool> {
        let options = self.creation(key, writer).put_options();
        let payload = PutPayload::from_bytes(writer.bytes());
        let put = self.bucket.store.put_opts(key, payload, options);
        match self.bucket.request(put).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.outcome, Outcome::Exists | Outcome::Conflict) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Creates an object by an upload of one part; the last part of an upload may be small.
    async fn upload(&self, key: &Path, writer: Writer) -> Result<bool> {
        let creation = self.creation(key, writer);
        let session = MultipartSession::begin(self.bucket, creation).await;
        let mut session = session.map_err(failed)?;
        let part = session.put_part(0, PutPayload::from_bytes(writer.bytes()));
        let part = match part.await {
            Ok(part) => part,
            Err(error) => {
                session
                    .abort()
                    .await
                    .unwrap_or_else(|error| warn_left_behind(&error));
                return Err(failed(error));
            }
        };
        match session.commit(vec![part]).await {
            Ok(()) => Ok(true),
            // `Unavailable`: another completion discarded the parts, and they must be sent again.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AlreadyExists | ErrorKind::Unavailable
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn remove_objects(&self) {
        let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        for key in keys {
            // If a removal fails, a sweep removes the object.
            let delete = self.bucket.store.delete(&key);
            let _ = self.bucket.request(delete).await;
        }
    }
}

fn failed(error: RequestError) -> Error {
    error.into_error(Operation::Open, None)
}

/// Returns the error of a store that failed a check.
fn flaw(fault: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(format!(
        "this store cannot be trusted with blobs that must not change: {}; use another store",
        fault.into()
    ))
}
