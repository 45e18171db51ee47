//! The writes of collections.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use jiff::Timestamp;

use super::statements::{
    BEGIN_DELETION, CLAIM, DELETE, DELETE_NAMES, HAS_FILES, HAS_NAME, INSERT, INSERT_FILE, IS_HELD,
    IS_KNOWN, IS_THERE, SEAL,
};
use crate::collections::{Collection, CollectionId, CollectionPath};
use crate::database::rejected::Rejected;
use crate::database::sql::records::FlagRecord;
use crate::database::sql::{NewRow, Subject, Transaction, params};
use crate::error::Operation;
use crate::identity::DisplayName;
use crate::time::Deadline;

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
    pub(super) new: NewRow,
    pub(super) collection: CollectionId,
    pub(super) path: CollectionPath,
    pub(super) deadline: Option<Deadline>,
}

impl CollectionCommand {
    pub(in crate::database::sql) fn subject(&self) -> Subject {
        match self {
            Self::InsertFile(file) => Subject::with_id(Operation::InsertRow, file.new.row.id),
            _ => Operation::Collection.into(),
        }
    }

    /// Returns whether the command may write more than a few hundred rows, or a row with many digests.
    #[cfg(feature = "sqlite")]
    pub(in crate::database::sql) fn takes_long(&self) -> bool {
        match self {
            Self::InsertFile(file) => file.new.is_large(),
            Self::EndDeletion(_) => true,
            _ => false,
        }
    }

    /// Applies the command. If it fails, the caller rolls its statements back.
    pub(in crate::database::sql) async fn apply<T: Transaction>(
        &self,
        tx: &T,
    ) -> Result<(), T::Error> {
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
