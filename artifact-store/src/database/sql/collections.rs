//! Collections in a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use artifact_backend::{ArtifactId, Sha256Digest};
use async_trait::async_trait;
use jiff::Timestamp;

use super::catalog::new_row;
use super::command::{Command, Transaction};
use super::digests::NewRow;
use super::locations::{self, LocationRecord};
use super::records::{Columns, Decoder, FlagRecord, Record};
use super::{Lane, SqlDatabase, params};
use crate::catalog::clamped_limit;
use crate::collections::{
    Collection, CollectionCatalog, CollectionFile, CollectionId, CollectionPath,
    CollectionPosition, FileLocation, FileState, NameBound,
};
use crate::content_type::ContentType;
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::DisplayName;
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::Deadline;

macro_rules! columns {
    () => {
        "id, experiment, owner, title, created_at, sealed_at, deleting_since, files, bytes"
    };
}
macro_rules! file_columns {
    () => {
        "name, id, size, content_type, sha256, created_at, state"
    };
}

const INSERT: &str = "\
    INSERT INTO collections (id, experiment, owner, title, created_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (id) DO NOTHING";
const SELECT: &str = concat!("SELECT ", columns!(), " FROM collections WHERE id = $1");
const SELECT_PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM collections WHERE experiment = $1 AND (created_at, id) > ($2, $3) \
      ORDER BY created_at, id LIMIT $4"
);
const SELECT_OWN_PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM collections WHERE experiment = $1 AND owner = $2 AND (created_at, id) > ($3, $4) \
      ORDER BY created_at, id LIMIT $5"
);
/// Counts a new file. The next transaction that writes into the collection waits for the end of this one.
const CLAIM: &str = "\
    UPDATE collections SET files = files + 1, bytes = bytes + $1 \
    WHERE id = $2 AND experiment = $3 AND sealed_at IS NULL AND deleting_since IS NULL";
const IS_THERE: &str = "SELECT id = id FROM collections WHERE id = $1 AND experiment = $2";
const INSERT_FILE: &str = "\
    INSERT INTO collection_files (collection, name, id, size, content_type, sha256, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (collection, name) DO NOTHING";
/// Returns whether there is a name between two texts.
const HAS_NAME: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files WHERE collection = $1 AND name > $2 AND name < $3)";
const SELECT_FILE: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM collection_files WHERE collection = $1 AND name = $2"
);
/// The files that are there, from a name on and after a name.
const SELECT_FILES: [&str; 2] = [
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name >= $2 AND state = 0 ORDER BY name LIMIT $3"
    ),
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name > $2 AND state = 0 ORDER BY name LIMIT $3"
    ),
];
/// The files of the manifest, from a name on and after a name.
const SELECT_MANIFEST: [&str; 2] = [
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name >= $2 AND state <> 1 ORDER BY name LIMIT $3"
    ),
    concat!(
        "SELECT ",
        file_columns!(),
        " FROM collection_files WHERE collection = $1 AND name > $2 AND state <> 1 ORDER BY name LIMIT $3"
    ),
];
const SEAL: &str = "\
    UPDATE collections SET sealed_at = coalesce(sealed_at, $1) WHERE id = $2 AND deleting_since IS NULL";
const BEGIN_DELETION: &str =
    "UPDATE collections SET deleting_since = coalesce(deleting_since, $1) WHERE id = $2";
const IS_HELD: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files JOIN holds ON holds.id = collection_files.id \
        WHERE collection = $1 AND state = 0)";
const IS_KNOWN: &str = "SELECT id = id FROM collections WHERE id = $1";
const HAS_FILES: &str =
    "SELECT EXISTS (SELECT 1 FROM collection_files WHERE collection = $1 AND state = 0)";
const DELETE: &str = "DELETE FROM collections WHERE id = $1 AND deleting_since IS NOT NULL";
const DELETE_NAMES: &str = "DELETE FROM collection_files WHERE collection = $1";
pub(in crate::database) const IS_SEALED: &str = "\
    SELECT EXISTS (SELECT 1 FROM collection_files JOIN collections ON collections.id = collection \
        WHERE collection_files.id = $1 AND state = 0 AND sealed_at IS NOT NULL AND deleting_since IS NULL)";

/// The collections of a copy. It adds up the numbers of files and bytes again.
pub(super) const SELECT_COLLECTIONS: &str = "\
    SELECT id, experiment, owner, title, created_at, sealed_at, deleting_since, CAST(0 AS bigint), CAST(0 AS bigint) \
    FROM collections ORDER BY id";
pub(super) const SELECT_COLLECTION_FILES: &str = concat!(
    "SELECT ",
    file_columns!(),
    ", collection FROM collection_files ORDER BY collection, name"
);

/// One write to a collection.
#[derive(Debug)]
pub(in crate::database) enum CollectionCommand {
    Create(Box<Collection>),
    InsertFile(Box<NewFile>),
    Seal(CollectionId, Timestamp),
    BeginDeletion(CollectionId, Timestamp),
    EndDeletion(CollectionId),
}

/// A row and its name.
#[derive(Debug)]
pub(in crate::database) struct NewFile {
    new: NewRow,
    collection: CollectionId,
    path: CollectionPath,
    deadline: Option<Deadline>,
}

impl CollectionCommand {
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::InsertFile(file) => Subject::with_id(Operation::InsertRow, file.new.row.id),
            _ => Operation::Collection.into(),
        }
    }

    /// Returns whether the command may write more than a few hundred rows, or a row with many digests.
    #[cfg(feature = "sqlite")]
    pub(super) fn takes_long(&self) -> bool {
        match self {
            Self::InsertFile(file) => file.new.is_large(),
            Self::EndDeletion(_) => true,
            _ => false,
        }
    }

    /// Applies the command. If it fails, the caller rolls its statements back.
    pub(super) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        match self {
            Self::Create(collection) => create(tx, collection).await,
            Self::InsertFile(file) => insert_file(tx, file).await,
            Self::Seal(id, at) => {
                let params = params![at.as_microsecond(), id.as_bytes().as_slice()];
                match tx.execute(SEAL, &params).await? {
                    1 => Ok(()),
                    _ => Err(unchanged(tx, *id, Rejected::COLLECTION_DELETING).await?),
                }
            }
            Self::BeginDeletion(id, at) => {
                let (id, at) = (id.as_bytes().as_slice(), at.as_microsecond());
                if tx.execute(BEGIN_DELETION, &params![at, id]).await? != 1 {
                    return Err(Rejected::NO_COLLECTION.into());
                }
                if is_true(tx.query_one(IS_HELD, &params![id]).await?) {
                    return Err(Rejected::FILE_HELD.into());
                }
                Ok(())
            }
            Self::EndDeletion(id) => {
                let params = params![id.as_bytes().as_slice()];
                if tx.execute(DELETE, &params).await? != 1 {
                    return Err(Rejected::NO_COLLECTION.into());
                }
                if is_true(tx.query_one(HAS_FILES, &params).await?) {
                    return Err(Rejected::FILES_LEFT.into());
                }
                tx.execute(DELETE_NAMES, &params).await.map(drop)
            }
        }
    }
}

async fn create<T: Transaction>(tx: &T, collection: &Collection) -> Result<(), T::Error> {
    let params = params![
        collection.id.as_bytes().as_slice(),
        collection.experiment.as_str(),
        collection.owner.as_str(),
        collection.title.as_ref().map(DisplayName::as_str),
        collection.created_at.as_microsecond(),
    ];
    match tx.execute(INSERT, &params).await? {
        1 => Ok(()),
        _ => Err(Rejected::ID_TAKEN.into()),
    }
}

/// Gives a name. The first statement locks the collection, so the others see all names that were given before.
async fn insert_file<T: Transaction>(tx: &T, file: &NewFile) -> Result<(), T::Error> {
    let NewFile {
        new,
        collection,
        path,
        deadline,
    } = file;
    let row = &new.row;
    let Ok(size) = i64::try_from(row.size) else {
        return Err(Rejected::SIZE.into());
    };
    let (id, experiment) = (collection.as_bytes().as_slice(), row.experiment.as_str());
    if tx.execute(CLAIM, &params![size, id, experiment]).await? != 1 {
        let is_there = tx.query_one(IS_THERE, &params![id, experiment]).await?;
        return Err(if is_true(is_there) {
            Rejected::COLLECTION_SEALED.into()
        } else {
            Rejected::NO_COLLECTION.into()
        });
    }
    if deadline.as_ref().is_some_and(Deadline::has_passed) {
        return Err(Rejected::LATE.into());
    }
    let params = params![
        id,
        path.as_str(),
        row.id.as_bytes().as_slice(),
        size,
        row.content_type.as_str(),
        row.sha256.as_bytes().as_slice(),
        row.created_at.as_microsecond(),
    ];
    if tx.execute(INSERT_FILE, &params).await? != 1 {
        return Err(Rejected::NAME_TAKEN.into());
    }
    // The character `0` follows `/`.
    let (first, last) = (format!("{path}/"), format!("{path}0"));
    let params = params![id, first.as_str(), last.as_str()];
    if is_true(tx.query_one(HAS_NAME, &params).await?) {
        return Err(Rejected::NAME_IS_FOLDER.into());
    }
    let folders: Vec<_> = path.folders().collect();
    if !folders.is_empty() {
        let folders = serde_json::Value::from(folders).to_string();
        let params = params![id, folders.as_str()];
        if is_true(tx.query_one(T::HAS_ANY_NAME, &params).await?) {
            return Err(Rejected::NAME_BELOW_FILE.into());
        }
    }
    tx.insert_row(new).await
}

/// Returns why a collection was not changed: it does not exist, or another reason.
async fn unchanged<T: Transaction>(
    tx: &T,
    id: CollectionId,
    otherwise: Rejected,
) -> Result<T::Error, T::Error> {
    let params = params![id.as_bytes().as_slice()];
    let is_known = is_true(tx.query_one(IS_KNOWN, &params).await?);
    Ok(if is_known {
        otherwise
    } else {
        Rejected::NO_COLLECTION
    }
    .into())
}

fn is_true(answer: Option<FlagRecord>) -> bool {
    matches!(answer, Some(FlagRecord(true)))
}

/// The columns of a collection.
#[derive(Debug)]
pub(super) struct CollectionRecord {
    id: Vec<u8>,
    experiment: String,
    owner: String,
    title: Option<String>,
    created_at: i64,
    sealed_at: Option<i64>,
    deleting_since: Option<i64>,
    files: i64,
    bytes: i64,
}

impl Record for CollectionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            experiment: row.text(1)?,
            owner: row.text(2)?,
            title: row.optional_text(3)?,
            created_at: row.integer(4)?,
            sealed_at: row.optional_integer(5)?,
            deleting_since: row.optional_integer(6)?,
            files: row.integer(7)?,
            bytes: row.integer(8)?,
        })
    }
}

impl CollectionRecord {
    pub(super) fn decode(self) -> Result<Collection> {
        let decoder = Decoder(Operation::Collection.into());
        let time =
            |column, time: Option<i64>| time.map(|time| decoder.time(column, time)).transpose();
        let number = |column, number: i64| {
            u64::try_from(number).map_err(|error| decoder.corrupt(column, error))
        };
        let title = self.title.as_deref();
        let title = title.map(|title| decoder.parse("title", title));
        let mut collection = Collection::new(
            CollectionId::from_bytes(decoder.bytes("id", &self.id)?),
            decoder.parse("experiment", &self.experiment)?,
            decoder.parse("owner", &self.owner)?,
            decoder.time("created_at", self.created_at)?,
        )
        .with_title(title.transpose()?);
        collection.sealed_at = time("sealed_at", self.sealed_at)?;
        collection.deleting_since = time("deleting_since", self.deleting_since)?;
        collection.files = number("files", self.files)?;
        collection.bytes = number("bytes", self.bytes)?;
        Ok(collection)
    }
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct FileRecord {
    name: String,
    id: Vec<u8>,
    size: i64,
    content_type: String,
    sha256: Vec<u8>,
    created_at: i64,
    state: i64,
}

impl Record for FileRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            name: row.text(0)?,
            id: row.bytes(1)?,
            size: row.integer(2)?,
            content_type: row.text(3)?,
            sha256: row.bytes(4)?,
            created_at: row.integer(5)?,
            state: row.integer(6)?,
        })
    }
}

impl FileRecord {
    pub(super) fn decode(self) -> Result<CollectionFile> {
        let decoder = Decoder(Operation::Collection.into());
        let content_type = ContentType::clean(&self.content_type);
        if content_type.as_str() != self.content_type {
            return Err(decoder.corrupt("content_type", "it is not sanitized"));
        }
        let size = u64::try_from(self.size).map_err(|error| decoder.corrupt("size", error))?;
        Ok(CollectionFile {
            path: decoder.parse("name", &self.name)?,
            id: ArtifactId::from_bytes(decoder.bytes("id", &self.id)?),
            size,
            content_type,
            sha256: Sha256Digest::from_bytes(decoder.bytes("sha256", &self.sha256)?),
            created_at: decoder.time("created_at", self.created_at)?,
            state: match self.state {
                0 => FileState::Present,
                1 => FileState::Removed,
                2 => FileState::Expired,
                _ => return Err(decoder.corrupt("state", "it must be 0, 1 or 2")),
            },
        })
    }
}

/// Returns the value of the column `state`.
pub(in crate::database) fn stored_state(state: FileState) -> i64 {
    match state {
        FileState::Present => 0,
        FileState::Removed => 1,
        FileState::Expired => 2,
    }
}

#[async_trait]
impl<D: SqlDatabase> CollectionCatalog for D {
    async fn create_collection(&self, collection: &Collection) -> Result<()> {
        let command = CollectionCommand::Create(Box::new(collection.clone()));
        self.write(Command::Collection(command)).await
    }

    async fn collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(Operation::Collection, SELECT, params);
        record.await?.map(CollectionRecord::decode).transpose()
    }

    async fn collections(
        &self,
        experiment: &ExperimentId,
        owner: Option<&PrincipalId>,
        after: CollectionPosition,
        limit: u32,
    ) -> Result<Vec<Collection>> {
        let limit = stored_limit(limit);
        let (experiment, time) = (experiment.as_str(), after.created_at);
        let id = after.id.as_bytes().as_slice();
        let (statement, params) = match owner {
            None => (SELECT_PAGE, params![experiment, time, id, limit].to_vec()),
            Some(owner) => (
                SELECT_OWN_PAGE,
                params![experiment, owner.as_str(), time, id, limit].to_vec(),
            ),
        };
        let records = self.query_in(Lane::List, Operation::Collection, statement, params);
        let records = records.await?.into_iter();
        records.map(CollectionRecord::decode).collect()
    }

    async fn insert_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        let file = NewFile {
            new: new_row(row, digests, deadline)?,
            collection,
            path: path.clone(),
            deadline: deadline.cloned(),
        };
        let command = CollectionCommand::InsertFile(Box::new(file));
        self.write(Command::Collection(command)).await
    }

    async fn find_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
    ) -> Result<Option<CollectionFile>> {
        let params = params![collection.as_bytes().as_slice(), path.as_str()];
        let record = self.query_one(Operation::Collection, SELECT_FILE, params);
        record.await?.map(FileRecord::decode).transpose()
    }

    async fn files(
        &self,
        collection: CollectionId,
        from: &NameBound,
        of_manifest: bool,
        limit: u32,
    ) -> Result<Vec<CollectionFile>> {
        let statements = if of_manifest {
            SELECT_MANIFEST
        } else {
            SELECT_FILES
        };
        let [from_name, after_name] = statements;
        let statement = match from {
            NameBound::From(_) => from_name,
            NameBound::After(_) => after_name,
        };
        let (id, limit) = (collection.as_bytes().as_slice(), stored_limit(limit));
        let params = params![id, from.as_str(), limit];
        let records = self.query_in(Lane::List, Operation::Collection, statement, params);
        records.await?.into_iter().map(FileRecord::decode).collect()
    }

    async fn locations(&self, artifacts: &[ArtifactId]) -> Result<Vec<FileLocation>> {
        let lane = match artifacts {
            [_] => Lane::Lookup,
            _ => Lane::List,
        };
        let params = [locations::param(artifacts)];
        let records = self.query_in(lane, Operation::Collection, D::SELECT_LOCATIONS, params);
        let records = records.await?.into_iter();
        records.map(LocationRecord::decode).collect()
    }

    async fn seal_collection(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let command = CollectionCommand::Seal(id, at);
        self.write(Command::Collection(command)).await
    }

    async fn begin_deletion(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let command = CollectionCommand::BeginDeletion(id, at);
        self.write(Command::Collection(command)).await
    }

    async fn end_deletion(&self, id: CollectionId) -> Result<()> {
        let command = CollectionCommand::EndDeletion(id);
        self.write(Command::Collection(command)).await
    }
}

fn stored_limit(limit: u32) -> i64 {
    i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX)
}
