//! A secret from a file or from the environment.

use std::path::Path;

use anyhow::Result;
use secrecy::SecretString;

use super::Sources;
use crate::failure::setup;
use crate::files;

/// Where a secret is, as the settings say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Secret<'s> {
    File(&'s Path),
    Text(&'s SecretString),
}

/// Returns the secret whose setting has the highest precedence, with the name of that setting. Two of
/// equal precedence are an error.
pub(crate) fn choose<'s>(
    settings: impl IntoIterator<Item = (&'static str, Option<Secret<'s>>)>,
    sources: &Sources,
) -> Result<Option<(&'static str, Secret<'s>)>> {
    let mut chosen: Option<(&'static str, Secret<'s>)> = None;
    let mut rival = None;
    for (name, secret) in settings {
        let Some(secret) = secret else {
            continue;
        };
        let best = chosen.map(|(name, _)| sources.rank(name));
        let rank = sources.rank(name);
        if best.is_none_or(|best| rank > best) {
            (chosen, rival) = (Some((name, secret)), None);
        } else if best == Some(rank) {
            rival = Some(name);
        }
    }
    match (chosen, rival) {
        (Some((name, _)), Some(other)) => Err(setup(format!(
            "{} and {} are both set; unset one of them",
            sources.name(name),
            sources.name(other)
        ))),
        (chosen, _) => Ok(chosen),
    }
}

impl Secret<'_> {
    /// Returns the secret. A file must exist, and only its owner may be able to read it; `advice` says what
    /// to do if it does not exist.
    pub(crate) fn read(self, advice: &str) -> Result<SecretString> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => files::read_secret(path)?
                .ok_or_else(|| setup(format!("there is no file {}; {advice}", path.display()))),
        }
    }
}
