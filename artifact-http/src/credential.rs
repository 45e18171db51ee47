//! The credential of a request: `Authorization: Bearer <principal>:<secret>`.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::problem::{Problem, ProblemType};

/// A secret that `Debug` does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret. Compare it in constant time, and never put it into a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An unverified claim: a principal, and the secret to prove it.
#[derive(Debug, Clone)]
pub struct Credential {
    principal: String,
    secret: Secret,
}

impl Credential {
    /// Returns the claimed principal: `admin`, or a worker's id.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Returns the claimed secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Parses the `Authorization` header, which must occur once.
    ///
    /// It consists of a case-insensitive scheme, spaces, the principal up to the first colon, and the
    /// secret. A parser for bearer tokens would reject the colon (RFC 6750), so the value is parsed here.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or_else(Problem::unauthorized)?;
        if values.next().is_some() {
            return Err(Problem::new(
                ProblemType::BadRequest,
                "the request has more than one Authorization header",
            ));
        }
        // A value with other bytes than visible ASCII is no valid credential.
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
    fn the_first_colon_separates_principal_and_secret() {
        let credential = Credential::parse("Bearer admin:a:b").unwrap();
        assert_eq!(
            (credential.principal(), credential.secret().expose()),
            ("admin", "a:b")
        );
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for text in ["bearer admin:x", "BEARER admin:x", "bEaReR   admin:x "] {
            let credential = Credential::parse(text).unwrap();
            assert_eq!(
                (credential.principal(), credential.secret().expose()),
                ("admin", "x")
            );
        }
    }

    #[test]
    fn malformed_credentials_are_refused() {
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
    fn debug_output_hides_the_secret() {
        let credential = Credential::parse("Bearer admin:canary-9f31").unwrap();
        assert!(!format!("{credential:?}").contains("canary"));
    }
}
