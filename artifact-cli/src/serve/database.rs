//! The password of the database: given beside its URL, never in it.

use anyhow::Result;
use artifact_store::DatabaseUrl;

use crate::failure::setup;
use crate::files;
use crate::settings::{Key, Loaded};

/// The database, with its password where one is given. One that asks for none ignores it.
pub(crate) fn with_password(database: DatabaseUrl, loaded: &Loaded) -> Result<DatabaseUrl> {
    let rank = |key| loaded.value(key).map(|value| value.source.rank());
    let (file, direct) = (rank(Key::DatabasePasswordFile), rank(Key::DatabasePassword));
    if file.is_some() && file == direct {
        return Err(setup(format!(
            "{} and {} are both set; unset one of them",
            loaded.called(Key::DatabasePasswordFile),
            loaded.called(Key::DatabasePassword)
        )));
    }
    if direct > file {
        return Ok(database.with_password(loaded.text(Key::DatabasePassword)));
    }
    if file.is_none() {
        return Ok(database);
    }
    let path = loaded.path(Key::DatabasePasswordFile);
    match files::read_secret(&path)? {
        Some(password) => Ok(database.with_password(password)),
        None => Err(setup(format!(
            "there is no file {}; put the password of the database into it, or leave {} out",
            path.display(),
            loaded.called(Key::DatabasePasswordFile)
        ))),
    }
}
