//! Collections in a SQL database.

mod catalog;
mod command;
mod records;
mod statements;

pub(super) use self::command::CollectionCommand;
pub(in crate::database) use self::records::stored_state;
pub(super) use self::records::{CollectionRecord, FileRecord};
pub(in crate::database) use self::statements::IS_SEALED;
pub(super) use self::statements::{SELECT_COLLECTION_FILES, SELECT_COLLECTIONS};
