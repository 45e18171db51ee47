//! What a client says of itself: `Authorization: Bearer <principal>:<secret>`.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::problem::{Problem, ProblemType};

/// A secret that never shows itself: not in `Debug`, not in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret. Compare it in constant time, and keep it out of every message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Who a client claims to be, and the secret that is to prove it. Nothing of it is checked yet.
#[derive(Debug, Clone)]
pub struct Credential {
    principal: String,
    secret: Secret,
}

impl Credential {
    /// The claimed principal: `admin`, or a worker's id.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Reads the one header `Authorization`. Its colon is outside RFC 6750's grammar of tokens, so
    /// it is taken apart by hand: a scheme without regard to case, spaces, then the principal up to
    /// the first colon and the secret behind it.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or_else(Problem::unauthorized)?;
        if values.next().is_some() {
            return Err(Problem::new(
                ProblemType::BadRequest,
                "there is more than one header Authorization",
            ));
        }
        // Not UTF-8, or with control characters: no credential of ours.
        let text = value.to_str().map_err(|_| Problem::unauthorized())?;
        Self::parse(text).ok_or_else(Problem::unauthorized)
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (principal, secret) = rest.trim_matches(' ').split_once(':')?;
        if principal.is_empty() || secret.is_empty() {
            return None;
        }
        Some(Self {
            principal: principal.to_owned(),
            secret: Secret(secret.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Credential;

    #[test]
    fn the_first_colon_divides() {
        let credential = Credential::parse("Bearer admin:a:b").unwrap();
        assert_eq!(
            (credential.principal(), credential.secret().expose()),
            ("admin", "a:b")
        );
    }

    #[test]
    fn the_scheme_has_no_case() {
        for text in ["bearer admin:x", "BEARER admin:x", "bEaReR   admin:x "] {
            let credential = Credential::parse(text).unwrap();
            assert_eq!(
                (credential.principal(), credential.secret().expose()),
                ("admin", "x")
            );
        }
    }

    #[test]
    fn what_is_malformed_is_no_credential() {
        let texts = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer admin",
            "Bearer :x",
            "Bearer admin:",
            "Basic a:b",
            "Beareradmin:x",
            "Bearer\tadmin:x",
            "admin:x",
        ];
        for text in texts {
            assert!(Credential::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let credential = Credential::parse("Bearer admin:canary-9f31").unwrap();
        assert!(!format!("{credential:?}").contains("canary"));
    }
}
