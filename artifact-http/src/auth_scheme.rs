//! How clients authenticate: what a 401 and the OpenAPI document say about it.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

/// A description of the credentials that an [`Authenticate`](crate::Authenticate) accepts. It changes only what
/// clients read; the authenticator decides.
///
/// ```
/// use artifact_http::{AuthScheme, HttpConfig};
///
/// let config = HttpConfig::default().with_auth_scheme(AuthScheme::bearer("JWT"));
/// # let _ = config;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthScheme {
    challenge: HeaderValue,
    hint: Cow<'static, str>,
    /// The security scheme of the OpenAPI document; `None` for the one of the wire binding.
    security: Option<Value>,
}

impl AuthScheme {
    /// Describes any scheme: the value of `WWW-Authenticate` (RFC 9110, section 11.6.1), a sentence for the
    /// `detail` of a 401, and a Security Scheme Object of OpenAPI 3.1. The sentence must not repeat a secret.
    pub fn new(
        challenge: HeaderValue,
        hint: impl Into<Cow<'static, str>>,
        security: Value,
    ) -> Self {
        Self {
            challenge,
            hint: hint.into(),
            security: Some(security),
        }
    }

    /// Describes `Authorization: Bearer <token>` with tokens of a format such as `JWT`.
    pub fn bearer(format: &str) -> Self {
        let security = json!({ "type": "http", "scheme": "bearer", "bearerFormat": format });
        Self::new(
            HeaderValue::from_static("Bearer"),
            "a valid credential is needed: Authorization: Bearer <token>",
            security,
        )
    }

    /// Describes a key in a header field, such as `X-Api-Key`.
    pub fn api_key(field: &HeaderName) -> Self {
        let challenge = HeaderValue::from_str(&format!("ApiKey header=\"{field}\""));
        Self::new(
            // The name of a field is a token, so the whole is always valid.
            challenge.unwrap_or(HeaderValue::from_static("ApiKey")),
            format!("a valid credential is needed in the header {field}"),
            json!({ "type": "apiKey", "in": "header", "name": field.as_str() }),
        )
    }

    /// Returns whether the paths under `/v1` accept HTTP Basic beside `Bearer`: only with the scheme of the wire binding,
    /// whose credentials are a name and a secret.
    pub(crate) fn accepts_basic(&self) -> bool {
        self.security.is_none()
    }

    pub(crate) fn challenge(&self) -> &HeaderValue {
        &self.challenge
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    pub(crate) fn security(&self) -> Option<&Value> {
        self.security.as_ref()
    }
}

/// The scheme of the wire binding: `Authorization: Bearer <principal>:<secret>`, and HTTP Basic with the same two texts
/// on the paths under `/v1`.
impl Default for AuthScheme {
    fn default() -> Self {
        Self {
            challenge: HeaderValue::from_static("Bearer"),
            hint: "a valid credential is needed: Authorization: Bearer <principal>:<secret>".into(),
            security: None,
        }
    }
}
