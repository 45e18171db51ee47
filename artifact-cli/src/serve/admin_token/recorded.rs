//! The admin token that the servers of a database share.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use artifact_backend::{Clock as _, SystemClock};
use artifact_http::AdminToken;
use artifact_store::{IdentityStore, RecordedAdminToken, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::{OldToken, TokenSource, generate_into, is_generated};
use crate::failure::setup_from;
use crate::output::printable;

/// The token that a server accepts.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// `None`: the one that the database records.
    given: Option<SecretString>,
    /// Where it is.
    pub(crate) place: TokenPlace,
}

/// Where an admin token is.
#[derive(Debug, Clone)]
pub(crate) enum TokenPlace {
    Environment,
    File(PathBuf),
    /// On another machine, or in a file that this server does not read: a text for people.
    Elsewhere(String),
}

impl Accepted {
    fn given(token: &SecretString, place: TokenPlace) -> Self {
        Self {
            given: Some(token.clone()),
            place,
        }
    }

    fn recorded(recorded: &RecordedAdminToken, place: Option<TokenPlace>) -> Self {
        let place = place.unwrap_or_else(|| TokenPlace::Elsewhere(printable(&recorded.kept_in)));
        if let TokenPlace::Elsewhere(kept_in) = &place {
            tracing::info!(
                kept_in,
                "the admin token is the one that the database records"
            );
        }
        Self { given: None, place }
    }

    /// Returns what a new server authenticates `admin` by.
    pub(crate) fn authenticator(&self, old: Option<&OldToken>) -> Result<AdminToken> {
        let admin = AdminToken::recorded();
        self.replace_in(&admin, old)?;
        Ok(admin)
    }

    /// Makes a server accept the token, and perhaps an old one for a time, and no other.
    pub(crate) fn replace_in(&self, admin: &AdminToken, old: Option<&OldToken>) -> Result<()> {
        match (&self.given, old) {
            (Some(token), Some(old)) => {
                let (token, former) = (token.expose_secret(), old.token.expose_secret());
                admin.replace_slowly(token, former, old.valid_until)?;
                old.announce();
            }
            (Some(token), None) => admin.replace(token.expose_secret())?,
            (None, old) => {
                admin.use_recorded();
                if old.is_some() {
                    tracing::warn!(
                        "the old admin token of the settings has no effect: this server accepts the tokens that the database \
                         records"
                    );
                }
            }
        }
        Ok(())
    }
}

impl TokenSource<'_> {
    /// Returns the token that a server accepts, or generates it. `shared` is the database, if other servers can use it too.
    pub(crate) async fn settle(&self, shared: Option<&dyn IdentityStore>) -> Result<Accepted> {
        if let Some(accepted) = self.find_accepted(shared).await? {
            return Ok(accepted);
        }
        let path = self
            .path()
            .ok_or_else(|| anyhow!("there is no file for the admin token"))?;
        let token = generate_into(path)?;
        let in_file = TokenPlace::File(path.to_owned());
        let Some(store) = shared else {
            return Ok(Accepted::given(&token, in_file));
        };
        // The file comes first: after a crash the next start finds it and records the token.
        let new = entry(&token, path)?;
        let recorded = store.record_admin_token(&new).await.map_err(unknown)?;
        if recorded.digest == new.digest {
            return Ok(Accepted::recorded(&recorded, Some(in_file)));
        }
        // Another server was faster.
        rustix::fs::unlink(path).map_err(|error| {
            let path = path.display();
            setup_from(
                error,
                format!("cannot remove {path}, whose token is not used"),
            )
        })?;
        Ok(Accepted::recorded(&recorded, None))
    }

    /// Returns the token that a server accepts, or `None` if it must be generated. Records the token of an older version, which
    /// did not record it.
    pub(crate) async fn find_accepted(
        &self,
        shared: Option<&dyn IdentityStore>,
    ) -> Result<Option<Accepted>> {
        let (token, place, file) = match self {
            Self::Generate(path) => {
                let Some(store) = shared else {
                    return Ok(None);
                };
                let recorded = store.admin_token().await.map_err(unknown)?;
                if let Some(recorded) = &recorded {
                    warn_if_lost(recorded, path);
                }
                return Ok(recorded.map(|recorded| Accepted::recorded(&recorded, None)));
            }
            Self::Environment(token) => (token, TokenPlace::Environment, None),
            Self::File {
                path,
                token,
                is_default,
            } => {
                let may_be_generated = *is_default && is_generated(token);
                let place = TokenPlace::File(path.to_path_buf());
                (token, place, may_be_generated.then_some(*path))
            }
        };
        let Some(store) = shared else {
            return Ok(Some(Accepted::given(token, place)));
        };
        let digest = AdminToken::digest(token.expose_secret())?;
        let recorded = match (store.admin_token().await.map_err(unknown)?, file) {
            (None, Some(path)) => {
                let new = entry(token, path)?;
                Some(store.record_admin_token(&new).await.map_err(unknown)?)
            }
            (recorded, _) => recorded,
        };
        let Some(recorded) = recorded else {
            return Ok(Some(Accepted::given(token, place)));
        };
        if recorded.digest == digest {
            return Ok(Some(Accepted::recorded(&recorded, Some(place))));
        }
        let (own, kept_in) = (describe(&place), printable(&recorded.kept_in));
        let was_replaced = store.was_admin_token_replaced(digest).await;
        if was_replaced.map_err(unknown)? {
            let now = Timestamp::try_from(SystemClock.now())?;
            let old = recorded.old.filter(|old| now < old.valid_until);
            if let Some(old) = old.filter(|old| old.digest == digest) {
                tracing::warn!(
                    kept_in,
                    valid_until = %old.valid_until,
                    "the admin token in {own} was replaced, and the servers of this database accept it only for a time: take the \
                     one that the database records"
                );
            } else {
                tracing::warn!(
                    kept_in,
                    "the admin token in {own} was replaced, and no server of this database accepts it any more: remove it, and \
                     take the one that the database records"
                );
            }
            return Ok(Some(Accepted::recorded(&recorded, None)));
        }
        tracing::warn!(
            kept_in,
            "this server accepts the admin token in {own} and no other, and the database records another one, which other \
             servers accept: remove the one in {own} to accept that of the database here too"
        );
        Ok(Some(Accepted::given(token, place)))
    }
}

/// Warns if a token was in this file and is no longer there.
fn warn_if_lost(recorded: &RecordedAdminToken, path: &Path) {
    if recorded.kept_in == place_of(path) {
        tracing::warn!(
            "the admin token was in {}, which does not exist any more. Its servers still accept it: put it back, or make another \
             one with: artifact rotate-admin-token",
            path.display()
        );
    }
}

fn describe(place: &TokenPlace) -> String {
    match place {
        TokenPlace::Environment => "ARTIFACT_ADMIN_TOKEN".to_owned(),
        TokenPlace::File(path) => path.display().to_string(),
        TokenPlace::Elsewhere(kept_in) => kept_in.clone(),
    }
}

/// Returns what the database records of a token in a file of this machine.
pub(crate) fn entry(token: &SecretString, path: &Path) -> Result<RecordedAdminToken> {
    let now = Timestamp::try_from(SystemClock.now())?;
    let digest = AdminToken::digest(token.expose_secret())?;
    Ok(RecordedAdminToken::new(digest, place_of(path), now))
}

/// Names a file of this machine for people on another one.
fn place_of(path: &Path) -> String {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("{machine}: {}", path.display())
}

fn unknown(error: artifact_store::Error) -> anyhow::Error {
    setup_from(error, "the admin token of the database cannot be read")
}
