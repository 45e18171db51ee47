//! The identities of an embedding program: signed tokens, API keys and client certificates.

use std::fmt::Write;
use std::sync::Mutex;

use artifact_http::{Authenticate, AuthenticateError, bearer_token};
use artifact_store::Principal;
use async_trait::async_trait;
use http::request::{Builder, Parts};

use super::HOME;

/// A client certificate that a layer in front has verified.
#[derive(Debug, Clone)]
pub(crate) struct Certificate(pub(crate) String);

/// Accepts any user by a token `header.<user in hexadecimal>.signature`, by an API key or by a certificate.
/// The user belongs to the experiment of the path.
#[derive(Debug, Default)]
pub(crate) struct House {
    /// The heads of all requests, as `Debug` shows them.
    pub(crate) seen: Mutex<Vec<String>>,
}

impl House {
    /// Signs a request with a token of the user.
    pub(crate) fn sign(request: Builder, user: &str) -> Builder {
        let mut token = "Bearer header.".to_owned();
        for byte in user.bytes() {
            write!(token, "{byte:02x}").unwrap();
        }
        request.header("authorization", token + ".signature")
    }
}

#[async_trait]
impl Authenticate for House {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        self.seen.lock().unwrap().push(format!("{request:?}"));
        let user = if let Some(Certificate(user)) = request.extensions.get() {
            user.clone()
        } else if let Some(key) = request.headers.get("x-api-key") {
            let key = key
                .to_str()
                .ok()
                .and_then(|key| key.strip_prefix("key-of-"));
            key.ok_or(AuthenticateError::Rejected)?.to_owned()
        } else {
            let token = bearer_token(&request.headers)?;
            user_of(token.expose()).ok_or(AuthenticateError::Rejected)?
        };
        let mut segments = request.uri.path().split('/');
        let experiment = segments.find(|segment| *segment == "experiments");
        let experiment = experiment.and_then(|_| segments.next()).unwrap_or(HOME);
        match (user.parse(), experiment.parse()) {
            (Ok(id), Ok(experiment)) => Ok(Principal::external(id, experiment)),
            _ => Err(AuthenticateError::Rejected),
        }
    }
}

fn user_of(token: &str) -> Option<String> {
    let digits = token.strip_prefix("header.")?.strip_suffix(".signature")?;
    let bytes = (0..digits.len()).step_by(2).map(|at| {
        let digits = digits.get(at..at + 2)?;
        u8::from_str_radix(digits, 16).ok()
    });
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}
