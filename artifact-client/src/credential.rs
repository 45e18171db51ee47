//! The credential of a client.

use std::fmt;
use std::str::FromStr;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::error::Error;

/// A principal and its secret, sent as `Authorization: Bearer <principal>:<secret>`; or what a server with its own
/// users accepts, see [`bearer`](Self::bearer) and [`in_header`](Self::in_header).
///
/// `Debug` shows only the principal.
#[derive(Clone)]
pub struct Credential {
    principal: Option<String>,
    field: HeaderName,
    /// The whole header value, or `None` for no credential at all. It is cloned into every request without a copy, which a
    /// `secrecy::SecretString` would need, and its sensitive mark hides it from `Debug`.
    value: Option<HeaderValue>,
}

impl Credential {
    /// Makes a credential from a principal (`admin`, or the id of a worker or of a named administrator) and its secret.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if one of them is empty or has characters
    /// other than visible ASCII, or if the principal has a colon. The message never repeats the
    /// secret.
    pub fn new(principal: &str, secret: &str) -> Result<Self, Error> {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(principal) || principal.contains(':') {
            return Err(Error::invalid_input(
                "a principal must be visible ASCII without a colon, such as admin or wkr_...",
            ));
        }
        let value = format!("Bearer {principal}:{secret}");
        let mut credential = Self::checked(AUTHORIZATION, secret, value)?;
        credential.principal = Some(principal.to_owned());
        Ok(credential)
    }

    /// Makes a credential from a token of any form, such as a JWT, sent as `Authorization: Bearer <token>`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the token is empty or has characters other than
    /// visible ASCII. The message never repeats the token.
    pub fn bearer(token: &str) -> Result<Self, Error> {
        Self::checked(AUTHORIZATION, token, format!("Bearer {token}"))
    }

    /// Makes a credential from a header field such as `X-Api-Key` and its value.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the name is not that of a header field, or if the value
    /// is empty or has characters other than visible ASCII. The message never repeats the value.
    pub fn in_header(name: &str, secret: &str) -> Result<Self, Error> {
        let field = name.parse().map_err(|_| {
            Error::invalid_input("give the name of a header field, such as X-Api-Key")
        })?;
        Self::checked(field, secret, secret.to_owned())
    }

    fn checked(field: HeaderName, secret: &str, value: String) -> Result<Self, Error> {
        let is_visible = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_graphic());
        let value = HeaderValue::try_from(value).ok();
        let Some(mut value) = value.filter(|_| is_visible) else {
            return Err(Error::invalid_input(
                "a secret must be visible ASCII without white space, and must not be empty",
            ));
        };
        // Hides it from `Debug` of requests and keeps it out of HTTP/2's header tables.
        value.set_sensitive(true);
        Ok(Self {
            principal: None,
            field,
            value: Some(value),
        })
    }

    /// Returns the principal, without the secret, or `None` if the credential does not name it.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    pub(crate) fn field(&self) -> &HeaderName {
        &self.field
    }

    /// Makes what stands for no credential.
    pub(crate) fn none() -> Self {
        Self {
            principal: None,
            field: AUTHORIZATION,
            value: None,
        }
    }

    /// Returns the header value, or `None` if there is no credential.
    pub(crate) fn value(&self) -> Option<&HeaderValue> {
        self.value.as_ref()
    }
}

/// Parses `<principal>:<secret>`, split at the first colon.
impl FromStr for Credential {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (principal, secret) = text.split_once(':').ok_or_else(|| {
            Error::invalid_input("write a credential as <principal>:<secret>, with a colon")
        })?;
        Self::new(principal, secret)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
