//! The files of a collection.

use std::collections::HashMap;
use std::sync::Arc;

use artifact_backend::ArtifactId;

use super::CollectionStore;
use super::rights::{fail, refused_read, sealed};
use crate::collections::file::{CollectionFile, FileLocation, FileState};
use crate::collections::id::CollectionId;
use crate::collections::listing::{FilePage, FileQuery, page};
use crate::collections::path::CollectionPath;
use crate::collections::place::FilePlace;
use crate::deposit::Deposit;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::ExperimentId;
use crate::new_artifact::NewArtifact;
use crate::principal::Principal;
use crate::row::Row;

impl CollectionStore {
    /// Begins the deposit of a file under a name. Of `new`, the experiment, the depositor, the file name and the idempotency key are
    /// replaced: the file is deposited for the owner of the collection, and is offered for download under the last part of
    /// its name.
    ///
    /// The name is given with [`finish`](Deposit::finish), in the transaction of the row. `finish` fails with `NameTaken` or
    /// `Sealed` if another deposit got the name first or the collection was sealed meanwhile; the bytes are then an orphan, which is
    /// collected. Of several deposits of one name at the same time, in any number of processes, one succeeds.
    ///
    /// A depositor that does not learn the outcome repeats the deposit. If that fails with `NameTaken`, and
    /// [`find`](Self::find) returns the SHA-256 of its bytes, an earlier attempt succeeded.
    ///
    /// # Errors
    ///
    /// `NotFound` if the collection does not exist in this experiment, or the principal belongs to another; `Forbidden` for others
    /// than its owner and the administrator; `NameTaken` if the name was given before, or a name above or below it; `Sealed` if the
    /// collection is sealed or being deleted; `Unavailable` and the kinds that an operator must resolve.
    pub async fn deposit(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
        new: NewArtifact,
    ) -> Result<Deposit> {
        let collection = self.writable(principal, experiment, id).await?;
        if !collection.is_open() {
            return Err(sealed());
        }
        if let Some(taken) = self.catalog.find_file(id, path).await? {
            return Err(name_taken(&taken));
        }
        let place = FilePlace {
            catalog: Arc::clone(&self.catalog),
            collection: id,
            path: path.clone(),
        };
        Ok(self.managed.store().deposit(NewArtifact {
            experiment: collection.experiment,
            created_by: collection.owner,
            file_name: path.file_name(),
            idempotency_key: None,
            place: Some(place),
            ..new
        }))
    }

    /// Finds the file with a name.
    ///
    /// # Errors
    ///
    /// `NotFound` if the collection does not exist in this experiment, or the principal belongs to another, or a principal that
    /// may read the collection names a file that is not there; `Forbidden` for others than its owner, principals of the admin
    /// class and those that a grant names; `Unavailable` and the kinds that an operator must resolve.
    pub async fn find(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<CollectionFile> {
        self.get(principal, experiment, id).await?;
        self.present(id, path).await
    }

    /// Finds the artifact with a name, for a read that the rule of artifacts decides. A principal that may not read the
    /// collection does not learn by the error whether there is such a file.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find), `Forbidden` only if the file is not there.
    pub async fn locate(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<ArtifactId> {
        let collection = self.stored(principal, experiment, id).await?;
        match self.present(id, path).await {
            Ok(file) => Ok(file.id),
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && !self.may_read(principal, &collection).await? =>
            {
                Err(refused_read())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns which of these artifacts are in a collection, and under which name, in one read of the database: none if
    /// there is nothing to look up.
    ///
    /// The name of a file can say more than who may read the file is to know. So artifacts that the principal did not
    /// deposit are left out, unless it is of the admin class.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a stored name cannot be read; `Unavailable` and the kinds that an operator must resolve.
    pub async fn locations(
        &self,
        principal: &Principal,
        rows: &[Arc<Row>],
    ) -> Result<HashMap<ArtifactId, FileLocation>> {
        let is_admin = principal.is_admin_class();
        let shown = rows
            .iter()
            .filter(|row| is_admin || principal.has_id(&row.created_by));
        let artifacts: Vec<_> = shown.map(|row| row.id).collect();
        if artifacts.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.catalog.locations(&artifacts).await?;
        let by_artifact = found.into_iter().map(|found| (found.artifact, found));
        Ok(by_artifact.collect())
    }

    /// Lists files of a collection, at most `limit` (1 to 1,000; other numbers are clamped), in the order of the bytes of their
    /// names. A page can be shorter although more follow; only [`next`](FilePage::next) says.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn files(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        query: &FileQuery,
        limit: u32,
    ) -> Result<FilePage> {
        self.get(principal, experiment, id).await?;
        page(&*self.catalog, id, query, limit).await
    }

    /// Removes a file: first its row, and with it its name, then its bytes. The name is never given again. Returns the id that the
    /// artifact had.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit), `NotFound` also if the file is not there; `Sealed` if the collection
    /// is sealed or being deleted; `Held` if a hold is on the file; `Unavailable`, `OutOfSpace` and the kinds that an operator must
    /// resolve.
    pub async fn remove_file(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<ArtifactId> {
        let collection = self.writable(principal, experiment, id).await?;
        let file = self.present(id, path).await?;
        if !collection.is_open() {
            return Err(sealed());
        }
        self.managed.remove_row(file.id).await?;
        Ok(file.id)
    }

    async fn present(&self, id: CollectionId, path: &CollectionPath) -> Result<CollectionFile> {
        let found = self.catalog.find_file(id, path).await?;
        found
            .filter(|file| file.state == FileState::Present)
            .ok_or_else(|| {
                fail(ErrorKind::NotFound).with_detail("there is no file with this name in it")
            })
    }
}

/// Says which bytes have the name, so that a client that lost a response can compare them with its own.
fn name_taken(file: &CollectionFile) -> Error {
    let detail = match file.state {
        FileState::Present => format!(
            "the name is given already, to an artifact with the SHA-256 {}; a name is given once",
            file.sha256
        ),
        FileState::Removed | FileState::Expired => {
            "the name was given before, and its artifact was removed; a name is given once"
                .to_owned()
        }
    };
    fail(ErrorKind::NameTaken)
        .with_id(file.id)
        .with_detail(detail)
}
