//! The credential of a client.

use std::fmt;
use std::str::FromStr;

use reqwest::header::HeaderValue;

use crate::error::Error;

/// A principal and its secret, sent as `Authorization: Bearer <principal>:<secret>`.
///
/// `Debug` shows only the principal.
#[derive(Clone)]
pub struct Credential {
    principal: String,
    /// The whole header value. It is cloned into every request without a copy, which a
    /// `secrecy::SecretString` would need, and its sensitive mark hides it from `Debug`.
    header: HeaderValue,
}

impl Credential {
    /// Makes a credential from a principal (`admin` or a worker id) and its secret.
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
        let header = HeaderValue::try_from(format!("Bearer {principal}:{secret}")).ok();
        let Some(mut header) = header.filter(|_| visible(secret)) else {
            return Err(Error::invalid_input(
                "a secret must be visible ASCII without white space, and must not be empty",
            ));
        };
        // Hides it from `Debug` of requests and keeps it out of HTTP/2's header tables.
        header.set_sensitive(true);
        Ok(Self {
            principal: principal.to_owned(),
            header,
        })
    }

    /// Returns the principal, without the secret.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
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
