//! Mutations of what a server answers about named administrators, and to them.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method};
use serde_json::Value;

use super::TOKEN;
use super::mutation::{Memory, MutableResponse, Mutation};

/// Sends the request of a named administrator as one of `admin`.
pub(super) fn send_as_admin(request: &mut Parts) {
    if is_administrators(request) {
        let value = HeaderValue::from_str(&format!("Bearer admin:{TOKEN}")).unwrap();
        request.headers.insert(AUTHORIZATION, value);
    }
}

/// Whether the credential of a request is that of a named administrator.
fn is_administrators(request: &Parts) -> bool {
    let value = request.headers.get(AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.starts_with("Bearer adm_"))
}

impl Mutation {
    /// Mutates a response. Returns whether it did.
    pub(super) fn mutate_administrators(
        self,
        request: &Parts,
        response: &mut MutableResponse,
        memory: &Memory,
    ) -> bool {
        let path = request.uri.path();
        let status = response.status.as_u16();
        match self {
            Self::OldTokenAccepted
                if path.ends_with("/token")
                    && path.contains("/administrators/")
                    && status == 200 =>
            {
                let value: Value = serde_json::from_slice(&response.body).unwrap();
                let text = |name: &str| value[name].as_str().unwrap().to_owned();
                let mut tokens = memory.tokens.lock().unwrap();
                tokens.insert(text("administrator_id"), text("registration_token"));
            }
            Self::AdministratorRefused
                if is_administrators(request) && path.ends_with("/workers") =>
            {
                response.refuse(403, "forbidden", request);
            }
            Self::AdministratorListedInPart if path == "/v1/administrators" && status == 200 => {
                response.edit(|page| {
                    if let Some(listed) = page["administrators"].as_array_mut() {
                        listed.truncate(1);
                    }
                });
            }
            Self::NoAdministratorToken if path == "/v1/administrators" && status == 201 => {
                response.edit(|value| value["registration_token"] = Value::Null);
            }
            Self::AdministratorArtifactsGone
                if path.ends_with("/artifacts")
                    && status == 200
                    && memory.deposits.lock().unwrap().contains_key(&b"gone"[..]) =>
            {
                response.refuse(404, "not-found", request);
            }
            Self::AdministratorArtifactsGone
                if request.method == Method::DELETE && path.starts_with("/v1/administrators/") =>
            {
                let mut deposits = memory.deposits.lock().unwrap();
                deposits.insert(b"gone".to_vec(), Vec::new());
            }
            _ => return false,
        }
        true
    }
}
