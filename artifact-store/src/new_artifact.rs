//! The description of an artifact to deposit.

use std::time::Duration;

use artifact_backend::Sha256Digest;

use crate::collections::FilePlace;
use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::file_name::FileName;
use crate::idempotency::IdempotencyKey;
use crate::principal::{Principal, PrincipalId};

/// A description of an artifact to deposit.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    pub(crate) experiment: ExperimentId,
    pub(crate) created_by: PrincipalId,
    pub(crate) content_type: ContentType,
    pub(crate) file_name: Option<FileName>,
    pub(crate) size_hint: Option<u64>,
    pub(crate) least_size: Option<u64>,
    pub(crate) sha256: Option<Sha256Digest>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) place: Option<FilePlace>,
}

impl NewArtifact {
    /// Describes an artifact that `depositor` deposits in `experiment`, with the default content
    /// type.
    pub fn new(experiment: ExperimentId, depositor: &Principal) -> Self {
        Self {
            experiment,
            created_by: depositor.id(),
            content_type: ContentType::default(),
            file_name: None,
            size_hint: None,
            least_size: None,
            sha256: None,
            expires_in: None,
            idempotency_key: None,
            place: None,
        }
    }

    /// Sets the declared content type.
    #[must_use = "returns the changed value"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets the declared file name, or removes it.
    #[must_use = "returns the changed value"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }

    /// Sets the expected size in bytes, or removes it.
    ///
    /// It only decides how the bytes are stored, and how many bytes a deposit with a quota reserves at once if they are left. A
    /// deposit may be smaller or larger than its hint, and a hint above the size limit is no error by itself.
    #[must_use = "returns the changed value"]
    pub fn with_size_hint(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.size_hint = bytes.into();
        self
    }

    /// Sets the number of bytes that the deposit will have at least, or removes it. If they do not fit into a
    /// [quota](crate::ManagedStore::set_quota), the deposit is refused before its first byte is stored, and not when it reaches the
    /// limit. A deposit that turns out smaller is no error.
    #[must_use = "returns the changed value"]
    pub fn with_least_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.least_size = bytes.into();
        self
    }

    /// Sets the SHA-256 that the bytes must have, or removes it. A deposit of other bytes fails with
    /// [`DigestMismatch`](crate::ErrorKind::DigestMismatch) before anything of it is visible. The check costs
    /// nothing: every deposit is hashed.
    #[must_use = "returns the changed value"]
    pub fn with_sha256(mut self, sha256: impl Into<Option<Sha256Digest>>) -> Self {
        self.sha256 = sha256.into();
        self
    }

    /// Sets how long the artifact is kept after its creation, or removes the limit. Without it, the
    /// [retention](crate::ManagedStore::set_retention) of the experiment decides.
    ///
    /// It becomes the row's [`expires_at`](crate::Row::expires_at), which never changes. An expired artifact can still be
    /// read until a collector removes it.
    #[must_use = "returns the changed value"]
    pub fn with_expires_in(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.expires_in = period.into();
        self
    }

    /// Sets a key with which the deposit can be repeated, or removes it. Use it if the depositor may not learn the outcome,
    /// as over a network: it repeats the deposit with the same key until it does, and there is one artifact.
    ///
    /// [`Deposit::finish`](crate::Deposit::finish) of a deposit with a key that this depositor has used in this experiment in the last
    /// [24 hours](IdempotencyKey::KEPT_FOR) returns the row of the earlier deposit, and nothing new is stored. Both deposits
    /// must be equal: the bytes, by size and SHA-256, the content type, the file name, and the period for which the artifact is
    /// kept. If they differ, or if the artifact was removed since, `finish` fails with
    /// [`KeyReused`](crate::ErrorKind::KeyReused). An artifact that has expired is returned until a collector removes it.
    ///
    /// Only a deposit whose row was written keeps its key, in the transaction of the row. So after every error the same key
    /// can be used again. If equal deposits with one key run at the same time, all return the same row. Those in one
    /// process take turns to make their bytes durable. If two processes do that at the same moment, the bytes of the later
    /// one become an orphan, which is collected.
    ///
    /// The key costs one or two queries more, and a second row in the database for a day.
    ///
    /// ```
    /// use artifact_store::{ArtifactStore, NewArtifact};
    ///
    /// # async fn example(store: ArtifactStore, new: NewArtifact) -> Result<(), Box<dyn std::error::Error>> {
    /// let new = new.with_idempotency_key("8e03978e-40d5-43e8-bc93-6894a57f9324".parse::<artifact_store::IdempotencyKey>()?);
    /// let first = store.deposit(new.clone()).finish().await?;
    /// let again = store.deposit(new).finish().await?;
    /// assert_eq!(first, again);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "returns the changed value"]
    pub fn with_idempotency_key(mut self, key: impl Into<Option<IdempotencyKey>>) -> Self {
        self.idempotency_key = key.into();
        self
    }
}
