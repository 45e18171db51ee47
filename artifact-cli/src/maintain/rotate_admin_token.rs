//! `artifact rotate-admin-token`: replaces the admin token that the servers of a database share.

use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::{ExposeSecret as _, SecretString};

use super::audited::CommandLog;
use crate::failure::{setup, setup_from};
use crate::serve::admin_token::{entry, generate};
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{data_dir, logging};
use crate::settings::{Loaded, Secret, ServeSettings};
use crate::{files, output};

/// Makes a new token, records it, and puts it into the file of the settings. Every server that accepts the token of the database
/// accepts the new one from then on, and no longer the old one. A command that was interrupted is completed by the next one.
pub(crate) async fn rotate_admin_token(
    loaded: &Loaded,
    no_color: bool,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    if !plan.database.outlives_the_process() {
        return Err(setup(
            "a database in memory ends with its server; there is no admin token to replace",
        ));
    }
    let Some((name, Secret::File(path))) = settings.admin_token(&loaded.sources)? else {
        return Err(setup(
            "the admin token comes from the environment, so the database does not decide about it; set another one there, \
             or unset ARTIFACT_ADMIN_TOKEN",
        ));
    };
    super::check_path_exists(plan.database.path(), "database", &loaded.sources)?;
    if settings.data_dir.exists() {
        check_data_dir(&settings.data_dir)?;
    }
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    let database = data_dir::open_database(&plan).await?;
    audit.open()?;
    let next = next_to(path);
    let token = token_in(&next, &loaded.sources.name(name))?;
    let (shown, shown_next) = (path.display(), next.display());
    let replaced = database
        .identities
        .replace_admin_token(&entry(&token, path)?)
        .await;
    replaced.map_err(|error| {
        let sentence = format!(
            "the admin token may or may not be replaced; the new one is in {shown_next}, and the same command continues"
        );
        setup_from(error, sentence)
    })?;
    rustix::fs::rename(&next, path).map_err(|error| {
        let sentence = format!(
            "the admin token is replaced, and is in {shown_next}; it cannot be moved to {shown}"
        );
        setup_from(error, sentence)
    })?;
    database.close().await?;
    output::note(format_args!(
        "the new admin token is in {shown}; the servers of this database accept it, and no longer the old one, unless their \
         settings name another"
    ));
    Ok(())
}

/// Returns the file that has the new token until it is recorded.
fn next_to(path: &Path) -> PathBuf {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    next.into()
}

/// Returns the token of an interrupted command, or a new one that is durable in the file.
fn token_in(next: &Path, setting: &str) -> Result<SecretString> {
    if let Some(token) = files::read_secret(next)? {
        return Ok(token);
    }
    let token = generate();
    files::create_secret(next, token.expose_secret()).map_err(|error| {
        let next = next.display();
        setup_from(
            error,
            format!("cannot write {next}; give another file with {setting}"),
        )
    })?;
    Ok(token)
}
