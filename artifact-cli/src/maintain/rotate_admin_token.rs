//! `artifact rotate-admin-token`: replaces the admin token that the servers of a database share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use artifact_store::{Database, IdentityStore, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use super::audited::CommandLog;
use super::command::RotateAdminTokenArguments;
use crate::failure::{setup, setup_from};
use crate::serve::admin_token::{entry, generate, is_generated};
use crate::serve::log_filter::LogFilter;
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{data_dir, logging};
use crate::settings::{Loaded, Secret, ServeSettings};
use crate::{files, output};

/// Makes a new token, records it, and puts it into the file of the settings. Every server that accepts the token of the database
/// accepts the new one from then on, and the old one until it is over. A command that was interrupted is completed by the next one.
pub(crate) async fn rotate_admin_token(
    loaded: &Loaded,
    no_color: bool,
    arguments: &RotateAdminTokenArguments,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    if !plan.database.outlives_the_process() {
        return Err(setup(
            "a database in memory ends with its server; there is no admin token to replace",
        ));
    }
    if arguments.end_old {
        return end_old(loaded, no_color, &plan, audit).await;
    }
    let Some((name, Secret::File(path))) = settings.admin_token(&loaded.sources)? else {
        return Err(setup(
            "the admin token comes from the environment, so the database does not decide about it; set another one there, \
             or unset ARTIFACT_ADMIN_TOKEN",
        ));
    };
    let (_log, database) = open(loaded, no_color, &plan).await?;
    audit.open()?;
    record_generated(&*database.identities, path).await?;
    let next = next_to(path);
    let token = token_in(&next, &loaded.sources.name(name))?;
    let until = replace(&*database.identities, &token, path, arguments.old_valid_for).await?;
    rustix::fs::rename(&next, path).map_err(|error| {
        let (shown, next) = (path.display(), next.display());
        let sentence =
            format!("the admin token is replaced, and is in {next}; it cannot be moved to {shown}");
        setup_from(error, sentence)
    })?;
    database.close().await?;
    let old = match until {
        Some(until) => format!("and the old one until {until}"),
        None => "and no longer the old one".to_owned(),
    };
    let first = if loaded.sources.is_default(name) {
        ""
    } else {
        ". Servers whose settings name this file need a SIGHUP first"
    };
    output::note(format_args!(
        "the new admin token is in {}; the servers of this database accept it, {old}, unless their settings name another{first}",
        path.display()
    ));
    Ok(())
}

/// Ends the old token on every server that accepts the tokens of the database.
async fn end_old(
    loaded: &Loaded,
    no_color: bool,
    plan: &StorePlan<'_>,
    audit: &CommandLog,
) -> Result<()> {
    let (_log, database) = open(loaded, no_color, plan).await?;
    audit.open()?;
    let ended = database.identities.end_old_admin_token().await;
    ended.map_err(|error| {
        setup_from(
            error,
            "the old admin token may or may not be over; give the same command again",
        )
    })?;
    database.close().await?;
    output::note(format_args!(
        "the servers of this database accept the current admin token only, unless their settings name another"
    ));
    Ok(())
}

async fn open(
    loaded: &Loaded,
    no_color: bool,
    plan: &StorePlan<'_>,
) -> Result<(LogFilter, Database)> {
    let settings = plan.settings;
    super::check_path_exists(plan.database.path(), "database", &loaded.sources)?;
    if settings.data_dir.exists() {
        check_data_dir(&settings.data_dir)?;
    }
    let log = logging::init(&settings.log, settings.log_format, no_color);
    Ok((log, data_dir::open_database(plan).await?))
}

/// Records the token that the file has, if it may be one of 256 random bits and the database records none. A server that was
/// given this token by its settings then accepts it as the old one, from its next SIGHUP on.
async fn record_generated(identities: &dyn IdentityStore, path: &Path) -> Result<()> {
    if let Some(token) = files::read_secret(path)?.filter(is_generated) {
        let recorded = identities.record_admin_token(&entry(&token, path)?).await;
        recorded
            .map_err(|error| setup_from(error, "the admin token of the file cannot be recorded"))?;
    }
    Ok(())
}

/// Records the new token. Returns when the old one is over, unless that is at once.
async fn replace(
    identities: &dyn IdentityStore,
    token: &SecretString,
    path: &Path,
    old_valid_for: Duration,
) -> Result<Option<Timestamp>> {
    let new = entry(token, path)?;
    let until = (!old_valid_for.is_zero()).then(|| new.created_at.checked_add(old_valid_for));
    let until = until.transpose().map_err(|error| {
        setup_from(
            error,
            "--old-valid-for ends after the last representable time",
        )
    })?;
    let replaced = identities.replace_admin_token(&new, until).await;
    replaced.map_err(|error| {
        let next = next_to(path);
        let sentence = format!(
            "the admin token may or may not be replaced; the new one is in {}, and the same command continues",
            next.display()
        );
        setup_from(error, sentence)
    })?;
    // A repeated command changes nothing, and finds what the interrupted one has recorded.
    let recorded = identities.admin_token().await;
    let recorded = recorded.map_err(|error| {
        setup_from(
            error,
            "the admin token is replaced, but cannot be read back; give the same command again",
        )
    })?;
    Ok(recorded
        .and_then(|recorded| recorded.old)
        .map(|old| old.valid_until))
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
