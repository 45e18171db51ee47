//! Resumable uploads: a file that arrives in several requests, perhaps over days, and becomes an artifact at its end.

mod append;
mod clean;
mod complete;
mod id;
mod new;
mod options;
mod records;
mod session;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::idempotency::KeyTurns;
use crate::manage::ManagedStore;
use crate::principal::{Principal, PrincipalId};
use crate::quota::check_ever_fits;

pub use self::append::Append;
pub(crate) use self::clean::clean;
pub use self::id::{InvalidUploadId, UploadId};
pub use self::new::NewUpload;
pub use self::options::UploadOptions;
pub use self::records::UploadRecords;
pub use self::session::{UploadPart, UploadSession};

/// The resumable uploads of a store.
///
/// An upload session collects the bytes of one file. [`create`](Self::create) begins it, each [`append`](Self::append)
/// adds bytes at its end, and [`complete`](Self::complete) makes an artifact of them by an ordinary
/// [deposit](crate::Deposit). A session can be continued after a broken connection, by another process, and after a
/// restart of the server. A clone shares the same state and is cheap.
///
/// # Durability
///
/// The bytes of an append are stored in parts of at most [`part_bytes`](UploadOptions::with_part_bytes), each as a blob of
/// its own. A part counts once its blob and its record are durable, and only then grows the offset of the session. So the
/// offset that [`find`](Self::find) returns never shrinks, and a crash costs at most the part that was being received.
///
/// An append has to begin exactly at the offset of the session, and the database compares the two again in the transaction
/// that records the part. So of several appends at the same time, in any processes, one wins and the others fail with
/// [`OffsetMismatch`](ErrorKind::OffsetMismatch). There is no lock that a crashed process could leave.
///
/// # End
///
/// A session expires some [time](UploadOptions::with_lifetime) after its last append. A [`Collector`](crate::Collector)
/// removes it with its parts. A completed session is kept as long, without its parts, so that a client that lost the
/// answer can ask for the artifact.
///
/// Sessions are not part of a backup or of a copy of the database, and a move of the blobs to another backend ends them.
/// In all these cases the session is `NotFound` from then on, and the client begins again.
///
/// # Rights
///
/// Only the principal that created a session can find it, append to it, complete it or end it. For all others, including
/// the administrator, it does not exist.
///
/// # Examples
///
/// ```
/// use artifact_store::{
///     ArtifactStore, Backend, Database, Experiment, ManagedStore, NewUpload, Principal, StoreConfig, Timestamp,
///     UploadOptions, Uploads, WorkerId,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// let (database, backend) = (Database::from_url("mem:").await?, Backend::from_url("mem:").await?);
/// let home: artifact_store::ExperimentId = "trial-7".parse().expect("a valid id");
/// database.catalog.create_experiment(&Experiment::new(home.clone(), Timestamp::now())).await?;
/// let store = ArtifactStore::new(backend.backend(), database.catalog, StoreConfig::default());
/// let managed = ManagedStore::new(store, database.inventory, backend.inventory());
/// let uploads = Uploads::new(managed, UploadOptions::default());
///
/// let worker = Principal::worker(WorkerId::mint(), home.clone());
/// let session = uploads.create(&worker, NewUpload::new(home.clone()).with_length(10)).await?;
///
/// // The first connection breaks after six bytes.
/// let mut append = uploads.append(&worker, &home, session.id, 0).await?;
/// append.write("some b".into()).await?;
/// append.finish().await?;
///
/// // The client asks how much has arrived, and sends the rest.
/// let offset = uploads.find(&worker, &home, session.id).await?.offset;
/// assert_eq!(offset, 6);
/// let mut append = uploads.append(&worker, &home, session.id, offset).await?;
/// append.write("ytes".into()).await?;
/// append.finish().await?;
/// let row = uploads.complete(&worker, &home, session.id).await?;
/// assert_eq!(row.size, 10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Uploads {
    managed: ManagedStore,
    options: UploadOptions,
    /// Completions of one session in this process take turns.
    turns: Arc<KeyTurns>,
}

impl Uploads {
    /// Creates the uploads of a store. Does no I/O.
    ///
    /// All processes of a store should use the same options, and the same object within one process.
    pub fn new(managed: ManagedStore, options: UploadOptions) -> Self {
        Self {
            managed,
            options,
            turns: Arc::default(),
        }
    }

    /// Returns the settings.
    pub fn options(&self) -> &UploadOptions {
        &self.options
    }

    /// Returns the store.
    pub fn managed(&self) -> &ManagedStore {
        &self.managed
    }

    /// Begins a session. When this returns, its record is durable.
    ///
    /// A dropped future leaves nothing, or a session whose id no client knows and that expires.
    ///
    /// # Errors
    ///
    /// - `NotFound` if the experiment does not exist, or the principal belongs to another.
    /// - `TooLarge` if the declared length exceeds the [size limit](crate::StoreConfig::with_max_artifact_bytes).
    /// - `QuotaExceeded` if the declared length is more than all that a [quota](ManagedStore::set_quota) allows. One that is more than
    ///   what is left now is accepted: [`complete`](Self::complete) compares it again.
    /// - `LimitReached` if the principal has as many [open sessions](UploadOptions::with_max_open) as it may have.
    /// - `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn create(&self, principal: &Principal, new: NewUpload) -> Result<UploadSession> {
        self.managed.store().shared().check_free_space().await?;
        let found = self
            .managed
            .check_experiment(Operation::Upload, principal, &new.experiment);
        found.await?;
        let depositor = principal.id();
        self.check_length(&new.experiment, &depositor, new.length.unwrap_or(0))
            .await?;
        let mut session = UploadSession::new(UploadId::mint(), new.experiment, depositor);
        session.content_type = new.content_type;
        session.file_name = new.file_name;
        session.expires_in = new.expires_in;
        session.sha256 = new.sha256;
        session.length = new.length;
        session.placement = self.epoch();
        let (lifetime, limit) = (self.options.lifetime, self.options.max_open);
        let created = self
            .managed
            .catalog()
            .create_upload(&session, lifetime, limit);
        if !created.await? {
            return Err(fail(ErrorKind::LimitReached).with_detail(format!(
                "a principal may have {limit} open uploads at a time; complete one or end it"
            )));
        }
        self.stored(session.id).await
    }

    /// Finds a session of this principal.
    ///
    /// If the process that completed a session crashed before it could record that, this does it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such session, if it has ended or expired, or if it is not of this principal and experiment.
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn find(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: UploadId,
    ) -> Result<UploadSession> {
        let is_in = principal.experiment().is_none_or(|home| home == experiment);
        if !is_in {
            return Err(not_found());
        }
        let session = self.stored(id).await?;
        if session.experiment != *experiment || !principal.has_id(&session.created_by) {
            return Err(not_found());
        }
        self.with_artifact(session).await
    }

    /// Begins to append bytes to a session, which has to have exactly `offset` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find). `OffsetMismatch` if the session has another number of bytes.
    pub async fn append(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: UploadId,
        offset: u64,
    ) -> Result<Append> {
        let session = self.find(principal, experiment, id).await?;
        if session.offset != offset {
            return Err(offset_mismatch(session.offset));
        }
        Ok(Append::begin(self.clone(), session))
    }

    /// Declares the length of a file whose length was not known when the session was created, and returns the session. Succeeds
    /// if the same length was declared before.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find). `TooLarge` and `QuotaExceeded` as in [`create`](Self::create). `LengthMismatch` if another
    /// length was declared before, or if the session has more bytes already.
    pub async fn declare_length(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: UploadId,
        length: u64,
    ) -> Result<UploadSession> {
        let session = self.find(principal, experiment, id).await?;
        if session.length == Some(length) {
            return Ok(session);
        }
        if session.length.is_some() {
            return Err(fail(ErrorKind::LengthMismatch).with_detail(
                "another length of this upload was declared before, which cannot be changed",
            ));
        }
        self.check_length(experiment, &session.created_by, length)
            .await?;
        let catalog = self.managed.catalog();
        let lifetime = self.options.lifetime;
        let declared = catalog.declare_length(id, length, lifetime).await?;
        let session = self.find(principal, experiment, id).await?;
        if declared {
            return Ok(session);
        }
        Err(fail(ErrorKind::LengthMismatch).with_detail(format!(
            "the upload has {} bytes already, or another length was declared at the same time",
            session.offset
        )))
    }

    /// Ends a session and removes its parts. If it is complete, its artifact stays. When this returns, the session is
    /// `NotFound` for good.
    ///
    /// If a part cannot be deleted now, a collector does it later. An upload whose last byte has arrived, and that is
    /// being completed at the same time, may become an artifact all the same.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    pub async fn end(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: UploadId,
    ) -> Result<()> {
        self.find(principal, experiment, id).await?;
        self.managed.catalog().end_upload(id, true).await?;
        self.clean_now(id).await;
        Ok(())
    }

    /// Removes what a session no longer needs.
    async fn clean_now(&self, id: UploadId) {
        let (catalog, backend) = (self.managed.catalog(), self.managed.backend());
        if let Err(error) = clean(&**catalog, &**backend, id).await {
            tracing::warn!(
                upload = %id,
                error = &error as &dyn std::error::Error,
                "the parts of an upload could not be removed; a collector removes them later"
            );
        }
    }

    async fn stored(&self, id: UploadId) -> Result<UploadSession> {
        let found = self.managed.catalog().find_upload(id).await?;
        found.ok_or_else(not_found)
    }

    fn check_size(&self, bytes: u64) -> Result<()> {
        let limit = self.managed.store().config().max_artifact_bytes();
        if bytes <= limit {
            return Ok(());
        }
        let detail = format!("an artifact has at most {limit} bytes here");
        Err(fail(ErrorKind::TooLarge).with_detail(detail))
    }

    /// Fails if no file of this length can ever be deposited.
    async fn check_length(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        bytes: u64,
    ) -> Result<()> {
        self.check_size(bytes)?;
        match self.managed.catalog().quotas() {
            Some(quotas) => check_ever_fits(quotas, experiment, depositor, bytes).await,
            None => Ok(()),
        }
    }

    /// Returns the epoch of the placement that blobs are stored under from now on.
    fn epoch(&self) -> u64 {
        let placed = self.managed.store().placed_backend();
        placed.map_or(0, crate::placement::PlacedBackend::epoch)
    }
}

fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, Operation::Upload)
}

fn not_found() -> Error {
    fail(ErrorKind::NotFound)
        .with_detail("there is no such upload, or it has expired; begin a new one")
}

fn offset_mismatch(offset: u64) -> Error {
    fail(ErrorKind::OffsetMismatch)
        .with_detail(format!("the upload has {offset} bytes; continue there"))
        .with_blob_size(offset)
}
