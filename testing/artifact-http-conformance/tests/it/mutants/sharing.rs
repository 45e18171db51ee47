//! Mutations of grants and links.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, REFERRER_POLICY};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::mutation::{Memory, MutableResponse, Mutation};
use super::request::IGNORED;

impl Mutation {
    /// Mutates a request for a grant or a link.
    pub(super) fn mutate_shared_request(
        self,
        request: &mut Parts,
        body: &mut Vec<u8>,
        memory: &Memory,
    ) {
        let path = request.uri.path().to_owned();
        let is_shared = path.contains("/grants") || path.contains("/links");
        let ignore = |request: &mut Parts| {
            request.method = Method::GET;
            let value = HeaderValue::from_static("shared");
            request.headers.insert(IGNORED, value);
        };
        match self {
            Self::ShareRevocationIgnored if is_shared && request.method == Method::DELETE => {
                ignore(request);
            }
            Self::LinkOutlivesItsMaker
                if path.ends_with("/token") && request.method == Method::DELETE =>
            {
                ignore(request);
            }
            Self::GroupGrantIgnored
                if path.ends_with("/grants") && body.starts_with(b"{\"group\"") =>
            {
                ignore(request);
            }
            Self::GrantNeverExpires if path.ends_with("/grants") => {
                edit(request, body, |new| {
                    if new["expires_in"] == 1 {
                        new["expires_in"] = 3600.into();
                    }
                });
            }
            Self::LinkOnceMore if path.ends_with("/links") => {
                edit(request, body, |new| {
                    if let Some(max) = new["max_downloads"].as_u64() {
                        new["max_downloads"] = (max + 1).into();
                    }
                });
            }
            Self::LinkOfAnother if path.starts_with("/v1/links/") => {
                let mut link = memory.link.lock().unwrap();
                let first = link.get_or_insert_with(|| path.clone());
                request.uri = first.parse().unwrap();
            }
            Self::LinkHeadCounts
                if path.starts_with("/v1/links/") && request.method == Method::HEAD =>
            {
                request.method = Method::GET;
            }
            _ => {}
        }
    }

    /// Mutates the response to a request for a grant or a link.
    pub(super) fn mutate_shared_response(self, request: &Parts, response: &mut MutableResponse) {
        let path = request.uri.path();
        let status = response.status.as_u16();
        let is_link = path.starts_with("/v1/links/");
        match self {
            Self::ShareRevocationIgnored | Self::LinkOutlivesItsMaker
                if request.headers.contains_key(IGNORED) =>
            {
                response.status = StatusCode::NO_CONTENT;
                response.body.clear();
            }
            Self::GranteeShares if status == 403 && path.contains("/grants") => {
                response.succeed(&json!({ "grants": [] }));
            }
            Self::UnknownGranteeAccepted if status == 404 && path.ends_with("/grants") => {
                response.succeed(&json!({}));
                response.status = StatusCode::CREATED;
            }
            Self::GrantLacksItsMembers if status == 201 && path.ends_with("/grants") => {
                response.edit(|grant| {
                    grant.as_object_mut().unwrap().remove("created_by");
                });
            }
            Self::GroupGrantIgnored if request.headers.contains_key(IGNORED) => {
                response.succeed(&json!({ "id": "gnt_0123456789abcdefghjkmnpqrs" }));
                response.status = StatusCode::CREATED;
            }
            Self::LinkIsGone if status == 404 && is_link => {
                response.status = StatusCode::GONE;
            }
            Self::LinkListHasUrls if status == 200 && path.ends_with("/links") => {
                response.edit(|page| {
                    for link in page["links"].as_array_mut().into_iter().flatten() {
                        link["url"] = "http://files.example/v1/links/x".into();
                    }
                });
            }
            Self::LinkNeedsCredential
                if is_link && !request.headers.contains_key(AUTHORIZATION) =>
            {
                response.refuse(401, "unauthorized", request);
            }
            Self::LinkLacksReferrerPolicy => drop(response.fields.remove(REFERRER_POLICY)),
            _ => {}
        }
    }
}

/// Changes a JSON body.
fn edit(request: &mut Parts, body: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    change(&mut value);
    *body = serde_json::to_vec(&value).unwrap();
    request.headers.insert(CONTENT_LENGTH, body.len().into());
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(CONTENT_TYPE, json);
}
