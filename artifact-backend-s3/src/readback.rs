//! The read-back: after a create that failed, whose object is there?
//!
//! No error of a create says what became of it. An answer that was lost after the object was made is
//! indistinguishable from one lost before, and the second attempt meets the first one's object and
//! is told that it exists already. So the object itself is asked: it carries the write id of the
//! write that made it.

use artifact_backend::{ErrorKind, Operation, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use tokio::time::Instant;

use crate::core::{Core, Retry};
use crate::mark::{self, WriteId};
use crate::trouble::{Class, Trouble};

/// Whose object is under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// This write's.
    Ours,
    /// Not this write's.
    Others,
    /// Somebody's: the storage keeps no marks, so nothing tells whose.
    Somebodys,
    /// There is none.
    Nothing,
}

impl Core {
    /// Looks whose object is at `key`, again and again until it is known or `until` has passed.
    pub(crate) async fn read_back(
        &self,
        key: &Path,
        write_id: WriteId,
        marks: bool,
        until: Instant,
    ) -> Result<Found, Trouble> {
        let mut retry = Retry::until(until);
        loop {
            let trouble = match self.request(0, self.head(key)).await {
                Ok(_) if !marks => return Ok(Found::Somebodys),
                Ok(found) if mark::of(&found.attributes) == Some(write_id) => {
                    return Ok(Found::Ours);
                }
                Ok(_) => return Ok(Found::Others),
                Err(trouble) => self.settle(trouble).await,
            };
            match trouble.class {
                Class::NoObject => return Ok(Found::Nothing),
                _ if trouble.may_pass() && retry.pause().await => {}
                _ => return Err(trouble),
            }
        }
    }

    /// Everything of an object but its bytes. `ObjectStoreExt::head` would lose the metadata.
    pub(crate) async fn head(&self, key: &Path) -> Result<GetResult, object_store::Error> {
        self.store
            .get_opts(key, GetOptions::new().with_head(true))
            .await
    }

    /// Whether the storage keeps metadata. Where it is not known, an object is made to find out, and
    /// removed.
    ///
    /// Without metadata nothing tells one writer's object from another's. A store then trusts the
    /// first answer alone, and every outcome that is in doubt, and whose name is taken afterwards, is
    /// `Ambiguous`.
    pub(crate) async fn keeps_marks(&self, operation: Operation) -> Result<bool> {
        let find_out = || async {
            let write_id = WriteId::new();
            let key = self.layout.probe(write_id);
            let created = self
                .repeat(0, || {
                    let options = PutOptions {
                        mode: PutMode::Overwrite,
                        attributes: write_id.attributes(),
                        ..PutOptions::default()
                    };
                    self.store.put_opts(&key, PutPayload::new(), options)
                })
                .await;
            match created {
                Ok(_) => {}
                Err(trouble) if trouble.kind() == ErrorKind::Unsupported => return Ok(false),
                Err(trouble) => return Err(trouble),
            }
            let found = self.repeat(0, || self.head(&key)).await;
            // What stays is found by `sweep`.
            let _ = self.request(0, self.store.delete(&key)).await;
            Ok(mark::of(&found?.attributes) == Some(write_id))
        };
        let marks = self.traits.marks.get_or_try_init(find_out).await;
        marks
            .copied()
            .map_err(|trouble| trouble.into_error(operation, None))
    }
}
