//! Does the store keep what this backend is built on? It is asked to break it.
//!
//! Some servers that speak S3 ignore `If-None-Match` and overwrite; some heed it only where nobody
//! else is writing; some heed it in a single request and not when an upload is completed. All of
//! them answer 200.

use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::Bytes;
use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{
    Attributes, GetOptions, GetRange, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use crate::core::Core;
use crate::create::Creation;
use crate::inventory::Listing;
use crate::mark::{self, WriteId};
use crate::multipart::{Session, left};
use crate::trouble::{Class, Trouble};

/// What a store that passed the probe can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// The store keeps metadata, so that every outcome in doubt can be cleared up.
    pub keeps_metadata: bool,
}

/// So many create one key at once, in so many rounds. A server that only looks before it writes
/// loses most rounds of such a race, but not every one.
const RACERS: usize = 8;
const ROUNDS: usize = 4;
/// Uploads take more requests each, so there are fewer. SeaweedFS 4.48, which is exclusive in single
/// requests, lost four rounds of six, so that eight miss it once in some thousand starts.
const UPLOAD_RACERS: usize = 4;
const UPLOAD_ROUNDS: usize = 8;

pub(crate) async fn probe(core: &Arc<Core>) -> Result<ProbeReport> {
    core.look_at_bucket().await.map_err(failed)?;
    let probe = Probe {
        core,
        marks: core.keeps_marks(Operation::Open).await?,
        used: Mutex::default(),
    };
    let outcome = probe.run().await;
    probe.remove().await;
    outcome
}

struct Probe<'c> {
    core: &'c Arc<Core>,
    marks: bool,
    /// The keys to be removed in the end.
    used: Mutex<Vec<Path>>,
}

/// One who creates: other bytes and another mark than all others.
#[derive(Clone, Copy)]
struct Writer(WriteId);

impl Writer {
    fn bytes(self) -> Bytes {
        self.0.to_string().into()
    }
}

impl Probe<'_> {
    async fn run(&self) -> Result<ProbeReport> {
        self.twice().await?;
        for _ in 0..ROUNDS {
            self.race().await?;
        }
        self.twice_in_parts().await?;
        for _ in 0..UPLOAD_ROUNDS {
            self.race_in_parts().await?;
        }
        self.ranges().await?;
        self.list_and_delete().await?;
        Ok(ProbeReport {
            keeps_metadata: self.marks,
        })
    }

    async fn twice(&self) -> Result<()> {
        let key = self.key();
        let [first, second] = [Writer(WriteId::new()), Writer(WriteId::new())];
        if !self.create(&key, first).await? {
            return Err(flaw("it says that a key exists which nobody has written"));
        }
        if self.create(&key, second).await? {
            return Err(flaw(
                "it let a second create of one key succeed: it ignores If-None-Match and overwrites",
            ));
        }
        self.holds(&key, &[first], "after a second create that was refused")
            .await
    }

    async fn race(&self) -> Result<()> {
        let key = self.key();
        let writers: Vec<_> = (0..RACERS).map(|_| Writer(WriteId::new())).collect();
        let creates = writers.iter().map(|writer| self.create(&key, *writer));
        let outcomes = join_all(creates).await;
        self.has_one_winner(&key, &writers, outcomes, "creates")
            .await
    }

    async fn twice_in_parts(&self) -> Result<()> {
        let key = self.key();
        let [first, second] = [Writer(WriteId::new()), Writer(WriteId::new())];
        // Over one that was created in a single request, and is the first.
        if !self.create(&key, first).await? {
            return Err(flaw("it says that a key exists which nobody has written"));
        }
        if self.upload(&key, second).await? {
            return Err(flaw(
                "it let an upload in parts succeed over an object: it ignores If-None-Match when an \
                 upload is completed, and overwrites",
            ));
        }
        self.holds(&key, &[first], "after an upload that was refused")
            .await
    }

    async fn race_in_parts(&self) -> Result<()> {
        let key = self.key();
        let writers: Vec<_> = (0..UPLOAD_RACERS).map(|_| Writer(WriteId::new())).collect();
        let uploads = writers.iter().map(|writer| self.upload(&key, *writer));
        let outcomes = join_all(uploads).await;
        self.has_one_winner(&key, &writers, outcomes, "uploads in parts")
            .await
    }

    async fn has_one_winner(
        &self,
        key: &Path,
        writers: &[Writer],
        outcomes: Vec<Result<bool>>,
        what: &str,
    ) -> Result<()> {
        let mut winners = Vec::new();
        for (writer, outcome) in writers.iter().zip(outcomes) {
            if outcome? {
                winners.push(*writer);
            }
        }
        if winners.len() > 1 {
            return Err(flaw(format!(
                "it let {} of {} {what} that raced for one key succeed: it looks first and writes \
                 then, and what comes in between is overwritten",
                winners.len(),
                writers.len()
            )));
        }
        // With no winner all got in each other's way, which is allowed; then there is nothing.
        if winners.is_empty() {
            return Ok(());
        }
        self.holds(key, &winners, "after a race").await
    }

    /// The object is one of these writers', by its bytes and its mark.
    async fn holds(&self, key: &Path, writers: &[Writer], when: &str) -> Result<()> {
        let get = || async {
            let found = self.core.store.get(key).await?;
            let mark = mark::of(&found.attributes);
            Ok::<_, object_store::Error>((mark, found.bytes().await?))
        };
        let found = self.core.repeat(0, get).await;
        let (mark, bytes) = match found {
            Ok(found) => found,
            Err(trouble) if trouble.class == Class::NoObject => {
                return Err(flaw(format!("it has lost an object {when}")));
            }
            Err(trouble) => return Err(failed(trouble)),
        };
        let Some(writer) = writers.iter().find(|writer| writer.bytes() == bytes) else {
            return Err(flaw(format!(
                "it holds other bytes than the ones it acknowledged, {when}"
            )));
        };
        if self.marks && mark != Some(writer.0) {
            return Err(flaw(format!(
                "it does not keep an object's metadata, {when}"
            )));
        }
        if !self.marks && self.core.traits.is_cloud {
            return Err(flaw("it does not keep the metadata of objects"));
        }
        Ok(())
    }

    async fn ranges(&self) -> Result<()> {
        let (key, writer) = (self.key(), Writer(WriteId::new()));
        self.create(&key, writer).await?;
        let bytes = writer.bytes();
        let mut asked = vec![(GetRange::Bounded(3..17), bytes.slice(3..17))];
        if self.core.traits.is_cloud {
            asked.push((GetRange::Offset(30), bytes.slice(30..)));
        }
        if self.core.traits.suffix_ranges {
            asked.push((GetRange::Suffix(5), bytes.slice(27..)));
        }
        for (range, expected) in asked {
            let get = || async {
                let options = GetOptions::new().with_range(Some(range.clone()));
                let found = self.core.store.get_opts(&key, options).await?;
                let size = found.meta.size;
                Ok::<_, object_store::Error>((size, found.bytes().await?))
            };
            let wrong = || {
                flaw(format!(
                    "it answers a request for the range {range} with something else"
                ))
            };
            match self.core.repeat(0, get).await {
                Ok((32, found)) if found == expected => {}
                Ok(_) => return Err(wrong()),
                // The library itself refuses an answer that is for another range.
                Err(trouble) if trouble.class == Class::Doubt => {
                    return Err(wrong().with_source(failed(trouble)));
                }
                Err(trouble) => return Err(failed(trouble)),
            }
        }
        Ok(())
    }

    async fn list_and_delete(&self) -> Result<()> {
        let (key, writer) = (self.key(), Writer(WriteId::new()));
        self.create(&key, writer).await?;
        let mut listing = Listing::new(Arc::clone(self.core), self.core.layout.staging().clone());
        loop {
            match listing.next().await.map_err(failed)? {
                Some(object) if object.location == key => break,
                Some(_) => {}
                None => return Err(flaw("a list does not show an object that is there")),
            }
        }
        let delete = || self.core.store.delete(&key);
        self.core.repeat(0, delete).await.map_err(failed)?;
        match self.core.repeat(0, || self.core.head(&key)).await {
            Err(trouble) if trouble.class == Class::NoObject => Ok(()),
            Err(trouble) => Err(failed(trouble)),
            Ok(_) => Err(flaw("it still has an object that was deleted")),
        }
    }

    fn key(&self) -> Path {
        let key = self.core.layout.probe(WriteId::new());
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.push(key.clone());
        key
    }

    /// Creates in one request, made once. `false` when it was refused because of another.
    async fn create(&self, key: &Path, writer: Writer) -> Result<bool> {
        let options = PutOptions {
            mode: PutMode::Create,
            attributes: if self.marks {
                writer.0.attributes()
            } else {
                Attributes::new()
            },
            ..PutOptions::default()
        };
        let payload = PutPayload::from_bytes(writer.bytes());
        let put = self.core.store.put_opts(key, payload, options);
        match self.core.request(32, put).await {
            Ok(_) => Ok(true),
            Err(trouble) if matches!(trouble.class, Class::Taken | Class::Conflict) => Ok(false),
            Err(trouble) => Err(failed(trouble)),
        }
    }

    /// Creates by an upload of one part, which may be as small as it likes.
    async fn upload(&self, key: &Path, writer: Writer) -> Result<bool> {
        let creation = Creation {
            operation: Operation::Open,
            id: ArtifactId::mint(),
            key: key.clone(),
            write_id: writer.0,
            marks: self.marks,
        };
        let session = Session::begin(self.core, creation).await;
        let mut session = session.map_err(failed)?;
        let part = session.put_part(0, PutPayload::from_bytes(writer.bytes()));
        let part = match part.await {
            Ok(part) => part,
            Err(trouble) => {
                session
                    .abort()
                    .await
                    .unwrap_or_else(|left_over| left(&left_over));
                return Err(failed(trouble));
            }
        };
        match session.commit(vec![part]).await {
            Ok(()) => Ok(true),
            // `Unavailable`: another's completion took the parts away, and it must be sent again.
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

    async fn remove(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for key in used {
            // What stays is found by `sweep`.
            let _ = self.core.request(0, self.core.store.delete(&key)).await;
        }
    }
}

fn failed(trouble: Trouble) -> Error {
    trouble.into_error(Operation::Open, None)
}

/// What the store did wrong, and why that matters.
fn flaw(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(format!(
        "this store cannot be trusted with blobs that must not change: {}; use another store",
        what.into()
    ))
}
