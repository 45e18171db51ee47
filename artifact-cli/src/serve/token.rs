//! The admin token: given, read, or generated at the first start.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact_backend::random;
use artifact_http::AdminToken;

use crate::failure::{setup, setup_from};
use crate::files;
use crate::settings::{Key, Loaded, Source};

/// The least length of a token, in bytes.
const MIN_LEN: usize = 16;
/// Words that people put for a secret until they have a better one, and then keep.
const WELL_KNOWN: [&str; 12] = [
    "admin", "artifact", "changeme", "default", "eden", "example", "letmein", "password", "secret",
    "test", "token", "qwertz",
];

/// Where the admin token comes from. Its text is never shown.
pub(crate) enum Token {
    /// From the environment.
    Environment(String),
    /// From a file that is there.
    File(PathBuf, String),
    /// Nowhere yet: to be generated into this file.
    Generate(PathBuf),
}

impl Token {
    /// Finds the token, and checks it, without making anything.
    pub(crate) fn plan(loaded: &Loaded) -> Result<Self> {
        let rank = |key| loaded.value(key).map(|value| value.source.rank());
        let (file, direct) = (rank(Key::AdminTokenFile), rank(Key::AdminToken));
        if file.is_some() && file == direct {
            return Err(setup(format!(
                "{} and {} are both set; unset one of them",
                loaded.called(Key::AdminTokenFile),
                loaded.called(Key::AdminToken)
            )));
        }
        if direct > file {
            let token = loaded.text(Key::AdminToken);
            check(token, &loaded.called(Key::AdminToken))?;
            return Ok(Self::Environment(token.to_owned()));
        }
        let path = loaded.path(Key::AdminTokenFile);
        let shown = path.display();
        let is_default = loaded
            .value(Key::AdminTokenFile)
            .is_some_and(|value| value.source == Source::Default);
        match files::read_secret(&path)? {
            Some(token) => {
                check(&token, &shown.to_string())?;
                Ok(Self::File(path, token))
            }
            None if is_default => Ok(Self::Generate(path)),
            None => Err(setup(format!(
                "there is no file {shown}; put a token of at least {MIN_LEN} characters into it, or \
                 leave {} out to have one generated",
                loaded.called(Key::AdminTokenFile)
            ))),
        }
    }

    /// The file that it stands in, or will.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Environment(_) => None,
            Self::File(path, _) | Self::Generate(path) => Some(path),
        }
    }

    /// The token itself; generated, and durable in its file, where there was none.
    pub(crate) fn obtain(&self) -> Result<String> {
        match self {
            Self::Environment(token) | Self::File(_, token) => Ok(token.clone()),
            Self::Generate(path) => {
                let token = generate();
                files::create_secret(path, &token).map_err(|error| {
                    setup_from(
                        error,
                        format!("cannot write the admin token to {}", path.display()),
                    )
                })?;
                Ok(token)
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// 256 random bits as hexadecimal digits: no colon, nothing that a shell or a URL would change.
fn generate() -> String {
    let mut token = String::new();
    for byte in random::bytes::<32>() {
        let _ = write!(token, "{byte:02x}");
    }
    token
}

/// Refuses a token that could be guessed. The message does not repeat it.
fn check(token: &str, origin: &str) -> Result<()> {
    let refuse = |what: &str| {
        Err(setup(format!(
            "the admin token in {origin} {what}; use one of at least {MIN_LEN} random characters"
        )))
    };
    if token.is_empty() {
        return refuse("is empty");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("has white space or other than ASCII characters in it");
    }
    if token.len() < MIN_LEN {
        return refuse("is too short");
    }
    // The authenticator has the last word, and must not have it after things were made.
    if is_well_known(token) || AdminToken::new(token).is_err() {
        return refuse("is one that anybody would try");
    }
    Ok(())
}

/// Made of few characters, of consecutive ones, or of the words above with digits around them.
fn is_well_known(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    let mut letters: Vec<u8> = lower.bytes().collect();
    let steps = letters
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1);
    let mostly_steps = steps.count() * 5 >= (letters.len() - 1) * 4;
    letters.sort_unstable();
    letters.dedup();

    let mut rest = lower;
    for word in WELL_KNOWN {
        rest = rest.replace(word, "");
    }
    let left = rest.trim_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    letters.len() < 5 || mostly_steps || left.len() < 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_token_is_taken_and_never_the_same() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
        check(&one, "x").unwrap();
    }

    #[test]
    fn what_could_be_guessed_is_refused_without_being_repeated() {
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
            let error = check(token, "FILE").unwrap_err().to_string();
            assert!(error.starts_with("the admin token in FILE "), "{error}");
            assert!(token.is_empty() || !error.contains(token), "{error}");
        }
        for token in [
            "correct-horse-battery",
            "9f86d081884c7d65",
            "Zk3:vQ9!mR7?xT2&",
        ] {
            check(token, "FILE").unwrap();
        }
    }
}
