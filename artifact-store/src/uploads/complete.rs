//! Makes an artifact of a session that has all its bytes.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange};

use super::{UploadId, UploadPart, UploadSession, Uploads, fail, not_found};
use crate::deposit::Deposit;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::hasher::Hasher;
use crate::idempotency::IdempotencyKey;
use crate::new_artifact::NewArtifact;
use crate::principal::Principal;
use crate::row::Row;

/// How many parts are read from the database at once.
const PAGE: u32 = 256;

impl Uploads {
    /// Makes an artifact of a session that has as many bytes as its length says, and returns its row. When this returns, the
    /// artifact is durable.
    ///
    /// The parts are read back, compared with their digests, and deposited as one blob with an
    /// [idempotency key](NewArtifact::with_idempotency_key) that belongs to the session. So this can be repeated after any
    /// error, after a dropped future and at the same time by other processes: there is one artifact, and all return its row. The
    /// parts are removed when the row is there.
    ///
    /// # Errors
    ///
    /// - Those of [`find`](Self::find). `NotFound` also if the artifact was removed since.
    /// - `LengthMismatch` if the length is not declared, or the session has fewer bytes.
    /// - `DigestMismatch` if the bytes do not have the expected SHA-256. The session is ended then.
    /// - `Corrupt` if a part is missing or damaged.
    /// - Those of [`Deposit::finish`](crate::Deposit::finish). After `Unavailable`, repeat the call. After `QuotaExceeded` and
    ///   `TooManyInFlight` the parts stay, and the call can be repeated while the session lives.
    pub async fn complete(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: UploadId,
    ) -> Result<Arc<Row>> {
        let session = self.find(principal, experiment, id).await?;
        if let Some(artifact) = session.artifact {
            return self.row(artifact).await;
        }
        if !session.is_whole() {
            return Err(
                fail(ErrorKind::LengthMismatch).with_detail(match session.length {
                    None => "the length of the upload is not declared".to_owned(),
                    Some(length) => format!("the upload has {} of {length} bytes", session.offset),
                }),
            );
        }
        let scope = (
            session.experiment.clone(),
            session.created_by.clone(),
            IdempotencyKey::of_upload(id),
        );
        let _turn = Arc::clone(&self.turns).take(scope).await;
        let completed = match self.assemble(principal, &session).await {
            Ok(row) => Ok(row),
            Err(error) => self.after_failure(&session, error).await,
        };
        match &completed {
            Ok(row) => self.settle(id, row.id).await,
            Err(error) if error.kind() == ErrorKind::DigestMismatch => {
                self.managed.catalog().end_upload(id, true).await?;
                self.clean_now(id).await;
            }
            Err(_) => {}
        }
        completed
    }

    /// Adds the artifact to a session that became one, but whose record does not say so.
    pub(super) async fn with_artifact(&self, mut session: UploadSession) -> Result<UploadSession> {
        if session.artifact.is_none()
            && session.is_whole()
            && let Some(artifact) = self.deposited(&session).await?
        {
            self.settle(session.id, artifact).await;
            session.artifact = Some(artifact);
        }
        Ok(session)
    }

    /// Finds the artifact that the bytes of a session were deposited as.
    async fn deposited(&self, session: &UploadSession) -> Result<Option<ArtifactId>> {
        let key = IdempotencyKey::of_upload(session.id);
        let catalog = self.managed.catalog();
        let found = catalog.find_keyed(&session.experiment, &session.created_by, &key);
        found.await
    }

    async fn assemble(&self, principal: &Principal, session: &UploadSession) -> Result<Arc<Row>> {
        // The turn before this one may have completed it.
        if let Some(artifact) = self.deposited(session).await? {
            return self.row(artifact).await;
        }
        let new = NewArtifact::new(session.experiment.clone(), principal)
            .with_content_type(session.content_type.clone())
            .with_file_name(session.file_name.clone())
            .with_size_hint(session.offset)
            .with_least_size(session.offset)
            .with_sha256(session.sha256)
            .with_expires_in(session.expires_in)
            .with_idempotency_key(IdempotencyKey::of_upload(session.id));
        let mut deposit = self.managed.store().deposit(new);
        // Refused before the parts are read.
        deposit.reserve().await?;
        while deposit.size() < session.offset {
            let catalog = self.managed.catalog();
            let parts = catalog.list_parts(session.id, deposit.size(), PAGE).await?;
            if parts.is_empty() {
                return Err(damaged("the record of a part is missing"));
            }
            for part in parts {
                if part.offset != deposit.size() {
                    return Err(damaged("the record of a part is missing"));
                }
                self.copy(&part, &mut deposit).await?;
            }
        }
        deposit.finish().await
    }

    /// Copies a part, and compares it with its digest.
    async fn copy(&self, part: &UploadPart, deposit: &mut Deposit) -> Result<()> {
        let failed = |error: artifact_backend::Error| match Error::backend(Operation::Upload, error)
        {
            error if error.kind() == ErrorKind::NotFound => error.with_kind(ErrorKind::Corrupt),
            error => error,
        };
        let backend = &self.managed.store().shared().backend;
        let download = backend.download(part.id, ByteRange::Full).await;
        let mut download = download.map_err(failed)?;
        let mut hasher = Hasher::default();
        while let Some(chunk) = download.next().await {
            let chunk = chunk.map_err(failed)?;
            hasher = hasher.update(chunk.clone()).await?;
            deposit.write(chunk).await?;
        }
        let end = part.offset.saturating_add(part.size);
        if deposit.size() != end || hasher.finish().sha256 != part.sha256 {
            return Err(
                damaged("the bytes of a part are not those that were received").with_id(part.id),
            );
        }
        Ok(())
    }

    /// Returns the row if another process has completed the session meanwhile: the parts are then gone. Otherwise returns the
    /// error, or `NotFound` if the session is over.
    async fn after_failure(&self, session: &UploadSession, error: Error) -> Result<Arc<Row>> {
        if error.kind() == ErrorKind::KeyReused {
            return Err(removed());
        }
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        if let Some(artifact) = self.deposited(session).await? {
            return self.row(artifact).await;
        }
        self.stored(session.id).await?;
        tracing::error!(
            alarm = "corrupt-upload",
            upload = %session.id,
            error = &error as &dyn std::error::Error,
            "a part of an upload is damaged or missing, so it cannot be completed; its client has to begin again"
        );
        Err(error)
    }

    /// Records the artifact, and removes the parts. If either fails, the next look at the session or a collector does it.
    async fn settle(&self, id: UploadId, artifact: ArtifactId) {
        let lifetime = self.options.lifetime;
        let catalog = self.managed.catalog();
        match catalog.complete_upload(id, artifact, lifetime).await {
            Ok(()) => self.clean_now(id).await,
            Err(error) => tracing::warn!(
                upload = %id,
                error = &error as &dyn std::error::Error,
                "that an upload is complete could not be recorded; the next request for it does that"
            ),
        }
    }

    async fn row(&self, artifact: ArtifactId) -> Result<Arc<Row>> {
        let row = self.managed.catalog().get(artifact).await?;
        row.map(Arc::new).ok_or_else(removed)
    }
}

fn damaged(detail: &'static str) -> Error {
    fail(ErrorKind::Corrupt).with_detail(detail)
}

fn removed() -> Error {
    not_found().with_detail("the artifact that the upload became was removed")
}
