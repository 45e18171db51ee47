//! Who asks, and the secret that proves it.

use std::fmt;
use std::str::FromStr;

use reqwest::header::HeaderValue;

use crate::error::Error;

/// A principal and its secret, as they go into `Authorization: Bearer <principal>:<secret>`.
///
/// `Debug` shows the principal only.
#[derive(Clone)]
pub struct Credential {
    principal: String,
    header: HeaderValue,
}

impl Credential {
    /// A principal (`admin`, or a worker id) with its secret.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when one of them is empty or holds anything
    /// but visible ASCII, or the principal holds a colon. The message never repeats the secret.
    pub fn new(principal: &str, secret: &str) -> Result<Self, Error> {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(principal) || principal.contains(':') {
            return Err(Error::invalid(
                "a principal is visible ASCII without a colon, such as admin or wkr_...",
            ));
        }
        let header = HeaderValue::try_from(format!("Bearer {principal}:{secret}")).ok();
        let Some(mut header) = header.filter(|_| visible(secret)) else {
            return Err(Error::invalid(
                "a secret is visible ASCII without white space, and not empty",
            ));
        };
        // Keeps it out of `Debug` of the requests that carry it, and out of HTTP/2's tables.
        header.set_sensitive(true);
        Ok(Self {
            principal: principal.to_owned(),
            header,
        })
    }

    /// The principal, without the secret.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// `<principal>:<secret>`, split at the first colon.
impl FromStr for Credential {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (principal, secret) = text
            .split_once(':')
            .ok_or_else(|| Error::invalid("a credential is written <principal>:<secret>"))?;
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
