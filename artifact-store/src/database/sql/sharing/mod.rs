//! Grants and links in a SQL database.

mod command;
mod queries;
mod records;
mod statements;

pub(super) use self::command::SharingCommand;
pub(super) use self::records::{GrantRecord, LinkRecord};
#[cfg(feature = "sqlite")]
pub(in crate::database) use self::records::{grant_params, link_params};
pub(in crate::database) use self::statements::{
    SharingStatements, above, grant_columns, link_columns, sharing_statements,
};
