//! The read-back: which write created the object that exists after a failed create?
//!
//! The error of a create cannot tell. A response lost after the object was created looks like one
//! lost before, and a second attempt fails with "exists" because of the first attempt's object. So the
//! backend reads the object's metadata, which holds the write id of its writer.

use artifact_backend::{ErrorKind, Operation, Result};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::error::{Outcome, RequestError};
use crate::retry::Retry;
use crate::shared::Bucket;
use crate::write_id::WriteId;

/// Which write an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// This write.
    Ours,
    /// Another write.
    Foreign,
    /// An unknown one: the storage keeps no metadata.
    Unattributed,
    /// The object does not exist.
    Absent,
}

impl Bucket {
    /// Finds out which write the object at `key` comes from, retrying failed requests.
    ///
    /// `expected`: this write's id, or `None` if the storage keeps no metadata.
    pub(crate) async fn read_back(
        &self,
        key: &Path,
        expected: Option<WriteId>,
        mut retry: Retry,
    ) -> Result<ReadBack, RequestError> {
        loop {
            let error = match self.request(self.head(key)).await {
                Ok(_) if expected.is_none() => return Ok(ReadBack::Unattributed),
                Ok(found) if WriteId::of(&found.attributes) == expected => {
                    return Ok(ReadBack::Ours);
                }
                Ok(_) => return Ok(ReadBack::Foreign),
                Err(error) => self.resolve_not_found(error).await,
            };
            match error.outcome {
                Outcome::NoObject => return Ok(ReadBack::Absent),
                _ if error.is_retryable() && retry.pause().await => {}
                _ => return Err(error),
            }
        }
    }

    /// Returns whether the storage keeps metadata. If that is not known, tests it with an object
    /// that is removed again.
    ///
    /// Without metadata nothing distinguishes one writer's object from another's. A store then
    /// trusts the first response only. If the outcome of a create is unknown and an object exists
    /// under its name afterwards, the create is `Ambiguous`.
    pub(crate) async fn keeps_metadata(&self, operation: Operation) -> Result<bool> {
        let test = || async {
            let write_id = WriteId::new();
            let key = self.layout.probe(write_id);
            let created = self
                .repeat(|| {
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
                Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(false),
                Err(error) => return Err(error),
            }
            let found = self.repeat(|| self.head(&key)).await;
            // If the removal fails, a sweep removes the object.
            let _ = self.request(self.store.delete(&key)).await;
            Ok(WriteId::of(&found?.attributes) == Some(write_id))
        };
        let known = self.capabilities.keeps_metadata.get_or_try_init(test).await;
        known
            .copied()
            .map_err(|error| error.into_error(operation, None))
    }
}
