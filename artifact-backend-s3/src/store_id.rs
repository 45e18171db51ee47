//! The store id: an object beside the folder of blobs.

use artifact_backend::{Error, ErrorKind, Operation, Result, StoreId};
use object_store::{GetOptions, PutPayload};

use crate::error::Outcome;
use crate::shared::Bucket;

/// More bytes than the object has.
const MAX_BYTES: u64 = 256;

impl Bucket {
    /// Reads the store id, if there is one.
    pub(crate) async fn store_id(&self, operation: Operation) -> Result<Option<StoreId>> {
        let key = self.layout.store_id();
        let get = || async {
            let found = self.store.get_opts(key, GetOptions::new()).await?;
            if found.meta.size > MAX_BYTES {
                return Ok(None);
            }
            Ok::<_, object_store::Error>(Some(found.bytes().await?))
        };
        let line = match self.repeat(get).await {
            Ok(line) => line.unwrap_or_default(),
            Err(error) if error.outcome == Outcome::NoObject => return Ok(None),
            Err(error) => return Err(error.into_error(operation, None)),
        };
        StoreId::from_line(&line).map(Some).map_err(|error| {
            Error::new(ErrorKind::Corrupt, operation)
                .with_detail(format!(
                    "the object {key} does not contain a store id; restore it from a backup"
                ))
                .with_source(error)
        })
    }

    /// Creates the store id unless there is one, and returns the one that there is then.
    ///
    /// The id is random, so the object's bytes tell whose create succeeded, even if the response was
    /// lost and the storage keeps no metadata.
    pub(crate) async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let operation = Operation::CreateStoreId;
        let key = self.layout.store_id().clone();
        let created = self.create_object(operation, None, key, PutPayload::from(new.to_line()));
        let error = match created.await {
            Ok(()) => return Ok(new),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::Ambiguous => {
                self.store_id(operation).await?.ok_or(error)
            }
            _ => Err(error),
        }
    }
}
