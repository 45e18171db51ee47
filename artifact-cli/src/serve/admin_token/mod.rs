//! The admin token: from the settings, from the database, or generated at the first start.

mod old;
mod recorded;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use artifact_backend::random;
use artifact_http::AdminToken;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::old::OldToken;
pub(crate) use self::recorded::{Accepted, TokenPlace, entry};
use crate::failure::{setup, setup_from};
use crate::files;
use crate::settings::{Secret, ServeSettings, Sources};

/// Where the admin token comes from.
#[derive(Debug)]
pub(crate) enum TokenSource<'s> {
    /// The environment.
    Environment(SecretString),
    /// An existing file.
    File {
        path: &'s Path,
        token: SecretString,
        /// Whether no setting names the file, so that a server may have generated it.
        is_default: bool,
    },
    /// A file that does not exist yet. The token is that of the database, or generated into the file.
    Generate(&'s Path),
}

impl<'s> TokenSource<'s> {
    /// Finds and checks the token without creating anything.
    pub(crate) fn find(settings: &'s ServeSettings, sources: &Sources) -> Result<Self> {
        let (name, secret) = settings
            .admin_token(sources)?
            .ok_or_else(|| setup("there is no admin token; give --admin-token-file"))?;
        match secret {
            Secret::File(path) if sources.is_default(name) && !files::exists(path)? => {
                Ok(Self::Generate(path))
            }
            Secret::File(path) => {
                let token = secret.read(&format!(
                    "put a token of at least {} characters into it, or leave {} out to have one \
                     generated",
                    AdminToken::MIN_LEN,
                    sources.name(name)
                ))?;
                check(&token, &path.display().to_string())?;
                Ok(Self::File {
                    path,
                    token,
                    is_default: sources.is_default(name),
                })
            }
            Secret::Text(token) => {
                check(token, &sources.name(name))?;
                Ok(Self::Environment(token.clone()))
            }
        }
    }

    /// Returns the file of the token, whether or not it exists yet.
    pub(crate) fn path(&self) -> Option<&'s Path> {
        match self {
            Self::Environment(_) => None,
            Self::File { path, .. } | Self::Generate(path) => Some(path),
        }
    }
}

/// Generates a token into a new file. It is durable there before this returns.
fn generate_into(path: &Path) -> Result<SecretString> {
    let token = generate();
    files::create_secret(path, token.expose_secret()).map_err(|error| {
        let path = path.display();
        setup_from(error, format!("cannot write the admin token to {path}"))
    })?;
    Ok(token)
}

/// Returns 256 random bits as hexadecimal digits, which no shell and no URL changes.
pub(crate) fn generate() -> SecretString {
    let mut token = String::new();
    for byte in random::bytes::<32>() {
        let _ = write!(token, "{byte:02x}");
    }
    token.into()
}

/// Returns whether a token has the form of those that a server generates.
pub(crate) fn is_generated(token: &SecretString) -> bool {
    let token = token.expose_secret().as_bytes();
    token.len() == 64 && token.iter().all(|byte| b"0123456789abcdef".contains(byte))
}

/// Rejects a token that could be guessed. The message does not repeat it.
fn check(token: &SecretString, origin: &str) -> Result<()> {
    match AdminToken::new(token.expose_secret()) {
        Ok(_) => Ok(()),
        Err(weak) => Err(setup(format!(
            "the admin token in {origin} {}; use at least {} random characters",
            weak.reason(),
            AdminToken::MIN_LEN
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_tokens_are_accepted_and_differ() {
        let (first, second) = (generate(), generate());
        assert_eq!(first.expose_secret().len(), 64);
        assert_ne!(first.expose_secret(), second.expose_secret());
        check(&first, "x").unwrap();
        assert!(is_generated(&first));
        for other in ["correct-horse-battery", &first.expose_secret()[1..]] {
            assert!(!is_generated(&other.into()), "{other}");
        }
        let upper = first.expose_secret().to_uppercase() + "F";
        assert!(!is_generated(&upper[1..].into()));
    }

    #[test]
    fn guessable_tokens_are_rejected_and_not_repeated() {
        for token in [
            "",
            "brief",
            "fifteen-letters",
            "changemechangeme",
            "password12345678",
            "admin-token-2024",
            "aaaaaaaaaaaaaaaa",
            "0123456789abcdef",
            "0123456789-zQx!vK",
            "abababababababab",
            "with space in the middle of it",
            "K\u{f6}nigin-von-England-und-mehr",
        ] {
            let error = check(&token.into(), "FILE").unwrap_err().to_string();
            assert!(error.starts_with("the admin token in FILE "), "{error}");
            assert!(token.is_empty() || !error.contains(token), "{error}");
        }
        for token in [
            "correct-horse-battery",
            "9f86d081884c7d65",
            "Zk3:vQ9!mR7?xT2&",
        ] {
            check(&token.into(), "FILE").unwrap();
        }
    }
}
