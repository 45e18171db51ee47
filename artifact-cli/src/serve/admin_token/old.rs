//! The old admin token that the settings name, which a server accepts beside the token of its settings for a time.

use anyhow::Result;
use artifact_backend::{Clock as _, SystemClock};
use artifact_store::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::check;
use crate::failure::setup;
use crate::files;
use crate::settings::{Secret, ServeSettings, Sources};

/// An old token, and when it is over.
#[derive(Debug)]
pub(crate) struct OldToken {
    pub(super) token: SecretString,
    pub(super) valid_until: Timestamp,
}

impl OldToken {
    /// Reads the token and its end. A file that does not exist or is empty has none.
    pub(crate) fn find(settings: &ServeSettings, sources: &Sources) -> Result<Option<Self>> {
        let Some((name, secret)) = settings.old_admin_token(sources)? else {
            return Ok(None);
        };
        let (text, origin) = match secret {
            Secret::Text(text) => (Some(text.clone()), sources.name(name)),
            Secret::File(path) => (files::read_secret(path)?, path.display().to_string()),
        };
        match text {
            Some(text) if !text.expose_secret().is_empty() => Self::parse(&text, &origin).map(Some),
            _ => Ok(None),
        }
    }

    /// Parses a token, a space and a time. No message repeats the token.
    fn parse(text: &SecretString, origin: &str) -> Result<Self> {
        let parts = text.expose_secret().split_once(' ');
        let parsed = parts.and_then(|(token, time)| Some((token, time.trim().parse().ok()?)));
        let Some((token, valid_until)) = parsed else {
            return Err(setup(format!(
                "the old admin token in {origin} must be followed by a space and the time of its end, such as \
                 2026-12-01T12:00:00Z"
            )));
        };
        let token = token.into();
        check(&token, origin)?;
        Ok(Self { token, valid_until })
    }

    /// Logs until when the token counts.
    pub(super) fn announce(&self) {
        let now = Timestamp::try_from(SystemClock.now());
        if now.is_ok_and(|now| now < self.valid_until) {
            tracing::info!(
                valid_until = %self.valid_until,
                "the old admin token of the settings is accepted too, until it is over"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_token_has_an_end_and_is_not_repeated() {
        let token = "canary-9f86d081884c7d65";
        let text = format!("{token} 2026-12-01T12:00:00Z").into();
        let old = OldToken::parse(&text, "FILE").unwrap();
        assert_eq!(old.token.expose_secret(), token);
        assert_eq!(old.valid_until.to_string(), "2026-12-01T12:00:00Z");
        for invalid in [
            token,
            "canary-9f86d081884c7d65 ",
            "canary-9f86d081884c7d65 tomorrow",
            "canary-9f86d081884c7d65 2026-12-01",
            "canary 2026-12-01T12:00:00Z",
            "2026-12-01T12:00:00Z canary-9f86d081884c7d65",
        ] {
            let error = OldToken::parse(&invalid.into(), "FILE").unwrap_err();
            let sentence = error.to_string();
            assert!(sentence.contains("in FILE "), "{sentence}");
            assert!(!sentence.contains("canary"), "{sentence}");
        }
    }
}
