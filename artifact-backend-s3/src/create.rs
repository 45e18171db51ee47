//! Creating an object exactly once, whatever happens to the answers.

use std::future::Future;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use object_store::path::Path;
use object_store::{PutMode, PutOptions, PutPayload};
use tokio::time::Instant;

use crate::core::{Core, Retry};
use crate::mark::WriteId;
use crate::readback::Found;
use crate::trouble::{Class, Trouble};

/// One object to be created, for one operation.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    pub(crate) operation: Operation,
    pub(crate) id: ArtifactId,
    pub(crate) key: Path,
    pub(crate) write_id: WriteId,
    /// Whether the storage keeps the write id with the object.
    pub(crate) marks: bool,
}

impl Creation {
    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.operation).with_id(self.id)
    }

    /// The error of a create after which nothing of ours was found.
    fn give_up(&self, doubt: bool, trouble: Trouble) -> Error {
        match trouble.class {
            _ if doubt => self.ambiguous(trouble),
            Class::Taken => {
                // Told that it exists, and not found again and again: no fact comes of that.
                let detail = "the storage says that the blob exists, and does not find it";
                self.ambiguous(Trouble::new(Class::Doubt, ErrorKind::Ambiguous, detail))
            }
            Class::NoObject | Class::NoUpload => {
                trouble.into_error_of(ErrorKind::Unavailable, self.operation, Some(self.id))
            }
            _ => trouble.into_error(self.operation, Some(self.id)),
        }
    }

    fn ambiguous(&self, trouble: Trouble) -> Error {
        trouble.into_error_of(ErrorKind::Ambiguous, self.operation, Some(self.id))
    }
}

impl Core {
    /// Creates a blob whose bytes are at hand, in one request.
    pub(crate) async fn create_whole(
        &self,
        operation: Operation,
        id: ArtifactId,
        payload: PutPayload,
    ) -> Result<()> {
        let creation = Creation {
            operation,
            id,
            key: self.layout.blob(id),
            write_id: WriteId::new(),
            marks: self.keeps_marks(operation).await?,
        };
        let bytes = payload.content_length() as u64;
        self.create(&creation, bytes, || {
            let attributes = if creation.marks {
                creation.write_id.attributes()
            } else {
                object_store::Attributes::new()
            };
            let options = PutOptions {
                mode: PutMode::Create,
                attributes,
                ..PutOptions::default()
            };
            let put = self.store.put_opts(&creation.key, payload.clone(), options);
            async move { put.await.map(drop) }
        })
        .await
    }

    /// Makes a request that creates an object only where there is none, until the outcome is known:
    /// the read-back rule.
    ///
    /// - `Ok`: the object is there and is ours.
    /// - `AlreadyExists`: an object is there that is not.
    /// - `Ambiguous`: an attempt may have been carried out, or may still be, and what became of it
    ///   could not be found out in time.
    /// - Anything else: nothing of ours is there, and nothing is on its way.
    pub(crate) async fn create<F, Fut>(
        &self,
        creation: &Creation,
        bytes: u64,
        request: F,
    ) -> Result<()>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), object_store::Error>> + Send,
    {
        let began = Instant::now();
        let deadline = began + self.config.deadline;
        let mut retry = Retry::until(deadline);
        // Whether some attempt so far may have been carried out, or may be yet.
        let mut doubt = false;
        loop {
            let trouble = match self.request(bytes, request()).await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            // What is missing when something is created is what it is created in, or made from.
            let trouble = self.settle(trouble).await;
            let class = trouble.class;
            doubt |= class == Class::Doubt;
            let may_be_there = doubt
                || matches!(
                    class,
                    Class::Taken | Class::Conflict | Class::NoUpload | Class::NoObject
                );
            if may_be_there {
                let until = Instant::now().max(deadline) + self.config.readback_time;
                let found = self
                    .read_back(&creation.key, creation.write_id, creation.marks, until)
                    .await;
                match found {
                    Ok(Found::Ours) => return Ok(()),
                    Ok(Found::Others) => return Err(creation.error(ErrorKind::AlreadyExists)),
                    Ok(Found::Somebodys) if doubt => {
                        let detail = "a blob is there, and this storage keeps no metadata that \
                                      would tell whose it is";
                        let trouble = Trouble::new(class, ErrorKind::Ambiguous, detail);
                        return Err(creation.ambiguous(trouble));
                    }
                    Ok(Found::Somebodys) => {
                        return Err(creation.error(ErrorKind::AlreadyExists));
                    }
                    Ok(Found::Nothing) => {}
                    Err(unknown) => return Err(creation.ambiguous(unknown)),
                }
            }
            let again = trouble.may_pass() || class == Class::Taken;
            if !again || !retry.pause().await {
                return Err(creation.give_up(doubt, trouble));
            }
        }
    }
}
