//! Credentials in the field `Authorization`: `Bearer <principal>:<secret>`, and other bearer tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

use crate::authenticate::AuthenticateError;

/// A secret that `Debug` does not print. `==` takes the same time for all texts of the same length.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret. Compare it in constant time, and never put it into a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An unverified claim: a principal, and the secret to prove it.
///
/// ```
/// use artifact_http::{Credential, Secret};
///
/// let credential = Credential::new("admin", Secret::new("9f86d081884c7d65"));
/// assert_eq!(credential.secret().expose(), "9f86d081884c7d65");
/// assert!(!format!("{credential:?}").contains("9f86"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    principal: String,
    secret: Secret,
}

impl Credential {
    /// Creates a claim. The texts are not checked.
    pub fn new(principal: impl Into<String>, secret: Secret) -> Self {
        Self {
            principal: principal.into(),
            secret,
        }
    }

    /// Returns the claimed principal, for example `admin` or a worker's id.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Returns the claimed secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Parses `Authorization: Bearer <principal>:<secret>`.
    ///
    /// It consists of a case-insensitive scheme, spaces, the principal up to the first colon, and the
    /// secret. A parser for bearer tokens would reject the colon (RFC 6750), so the value is parsed here.
    ///
    /// # Errors
    ///
    /// [`MultipleCredentials`](AuthenticateError::MultipleCredentials) if the field occurs twice;
    /// [`Rejected`](AuthenticateError::Rejected) if it is missing or has another form.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, AuthenticateError> {
        Self::split(scheme(headers, "bearer")?)
    }

    /// Parses the credential of a request of the [`router`](crate::router()): as [`from_headers`](Self::from_headers)
    /// does, and on the paths under `/v1` also `Authorization: Basic` (RFC 7617) with the principal as the user and the
    /// secret as the password.
    ///
    /// Browsers repeat Basic credentials by themselves, also in requests that another site makes. So such a request is
    /// rejected if its `Sec-Fetch-Site` is neither `same-origin` nor `none`.
    ///
    /// # Errors
    ///
    /// As [`from_headers`](Self::from_headers).
    pub fn from_request(request: &Parts) -> Result<Self, AuthenticateError> {
        let bearer = Self::from_headers(&request.headers);
        if !matches!(bearer, Err(AuthenticateError::Rejected))
            || request.extensions.get::<BasicAccepted>().is_none()
        {
            return bearer;
        }
        let encoded = scheme(&request.headers, "basic")?;
        let mut sites = request.headers.get_all("sec-fetch-site").iter();
        if sites.any(|site| site != "same-origin" && site != "none") {
            return Err(AuthenticateError::Rejected);
        }
        let decoded = STANDARD.decode(encoded).ok();
        let text = decoded.and_then(|decoded| String::from_utf8(decoded).ok());
        // As in a field: visible ASCII and spaces. The cache of verified secrets relies on texts without NUL.
        let text = text.filter(|text| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        });
        Self::split(&text.ok_or(AuthenticateError::Rejected)?)
    }

    /// Splits `<principal>:<secret>` at the first colon.
    fn split(text: &str) -> Result<Self, AuthenticateError> {
        let parts = text.split_once(':');
        let parts = parts.filter(|(principal, secret)| !principal.is_empty() && !secret.is_empty());
        let (principal, secret) = parts.ok_or(AuthenticateError::Rejected)?;
        Ok(Self::new(principal, Secret::new(secret)))
    }
}

/// An extension of requests whose credential may also be sent by HTTP Basic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BasicAccepted;

/// Returns the token of `Authorization: Bearer <token>`, whatever its form: one or more visible ASCII
/// characters. The scheme is case-insensitive.
///
/// # Errors
///
/// As [`Credential::from_headers`].
pub fn bearer_token(headers: &HeaderMap) -> Result<Secret, AuthenticateError> {
    let token = scheme(headers, "bearer")?;
    if token.is_empty() || token.contains([' ', '\t']) {
        return Err(AuthenticateError::Rejected);
    }
    Ok(Secret::new(token))
}

/// Returns the field `Authorization`. Fails if it occurs more than once: another reader of the request could
/// take another one of the fields.
pub(crate) fn single(headers: &HeaderMap) -> Result<Option<&HeaderValue>, AuthenticateError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(AuthenticateError::MultipleCredentials),
    }
}

/// Returns what follows a scheme, which is named in lower case, without spaces around it.
fn scheme<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, AuthenticateError> {
    let value = single(headers)?;
    // A value with other bytes than visible ASCII is no valid credential.
    let text = value.and_then(|value| value.to_str().ok());
    let (scheme, rest) = text
        .and_then(|text| text.split_once(' '))
        .ok_or(AuthenticateError::Rejected)?;
    if scheme.eq_ignore_ascii_case(name) {
        Ok(rest.trim_matches(' '))
    } else {
        Err(AuthenticateError::Rejected)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::AUTHORIZATION;

    use super::{BasicAccepted, Credential, Secret, bearer_token};
    use crate::authenticate::AuthenticateError;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn parse(value: &str) -> Option<Credential> {
        Credential::from_headers(&headers(value)).ok()
    }

    #[test]
    fn the_first_colon_separates_principal_and_secret() {
        let expected = Credential::new("admin", Secret::new("a:b"));
        assert_eq!(parse("Bearer admin:a:b"), Some(expected));
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        let expected = Credential::new("admin", Secret::new("x"));
        for text in ["bearer admin:x", "BEARER admin:x", "bEaReR   admin:x "] {
            assert_eq!(parse(text).as_ref(), Some(&expected), "{text}");
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
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    fn from_request(value: &str, site: Option<&'static str>, accepted: bool) -> Option<Credential> {
        let mut request = http::Request::new(()).into_parts().0;
        request.headers = headers(value);
        if let Some(site) = site {
            request
                .headers
                .insert("sec-fetch-site", site.parse().unwrap());
        }
        if accepted {
            request.extensions.insert(BasicAccepted);
        }
        Credential::from_request(&request).ok()
    }

    #[test]
    fn basic_credentials_count_only_where_they_are_accepted() {
        let expected = Credential::new("admin", Secret::new("a:b"));
        for text in ["Basic YWRtaW46YTpi", "basic   YWRtaW46YTpi "] {
            assert_eq!(from_request(text, None, true).as_ref(), Some(&expected));
            assert_eq!(from_request(text, None, false), None);
        }
        for accepted in [true, false] {
            let found = from_request("Bearer admin:a:b", None, accepted);
            assert_eq!(found.as_ref(), Some(&expected));
        }
        for text in [
            "Basic",
            "Basic ",
            // `admin`, `admin:` and `:x`
            "Basic YWRtaW4=",
            "Basic YWRtaW46",
            "Basic Ong=",
            "Basic YWRtaW46YTp",
            "Basic YWRtaW46YTpi=",
            // `admin:` and a NUL, a line feed, a byte that is not UTF-8
            "Basic YWRtaW46AA==",
            "Basic YWRtaW46Cg==",
            "Basic YWRtaW46/w==",
            "Basic admin:a:b",
            "Digest YWRtaW46YTpi",
        ] {
            assert_eq!(from_request(text, None, true), None, "{text}");
        }
    }

    #[test]
    fn basic_credentials_that_another_site_made_a_browser_send_do_not_count() {
        for (site, counts) in [
            (None, true),
            (Some("same-origin"), true),
            (Some("none"), true),
            (Some("same-site"), false),
            (Some("cross-site"), false),
            (Some(""), false),
        ] {
            let found = from_request("Basic YWRtaW46YTpi", site, true);
            assert_eq!(found.is_some(), counts, "{site:?}");
            assert!(from_request("Bearer admin:a:b", site, true).is_some());
        }
    }

    #[test]
    fn a_bearer_token_may_have_any_form() {
        for (text, token) in [
            (
                "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
                Some("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"),
            ),
            ("bearer   a:b ", Some("a:b")),
            ("Bearer", None),
            ("Bearer  ", None),
            ("Bearer a b", None),
            ("Bearer a\tb", None),
            ("Basic a", None),
        ] {
            let found = bearer_token(&headers(text)).ok();
            assert_eq!(found, token.map(Secret::new), "{text:?}");
        }
    }

    #[test]
    fn two_authorization_fields_are_no_credential() {
        let mut two = headers("Bearer admin:x");
        two.append(AUTHORIZATION, "Bearer admin:x".parse().unwrap());
        let outcomes = [
            Credential::from_headers(&two).map(drop),
            bearer_token(&two).map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(matches!(error, AuthenticateError::MultipleCredentials));
        }
    }

    #[test]
    fn secrets_are_equal_only_as_a_whole() {
        let secret = Secret::new("abc");
        for (other, equal) in [("abc", true), ("abd", false), ("ab", false), ("", false)] {
            assert_eq!(secret == Secret::new(other), equal, "{other}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let credential = parse("Bearer admin:canary-9f31").unwrap();
        assert!(!format!("{credential:?}").contains("canary"));
    }
}
