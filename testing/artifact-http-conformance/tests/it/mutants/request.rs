//! Mutations of requests before the sound server sees them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::administrators::send_as_admin;
use super::mutation::{Memory, Mutation};

pub(super) const EXPERIMENT: HeaderName = HeaderName::from_static("x-eden-experiment-id");

pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks a request that the server does not get to see as it was.
pub(super) const IGNORED: HeaderName = HeaderName::from_static("x-ignored");

/// Sends the token that the principal had first, whatever it sends now.
fn send_remembered_token(request: &mut Parts, memory: &Memory) {
    let value = request
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let worker = value
        .and_then(|value| value.strip_prefix("Bearer ")?.split_once(':'))
        .map(|(worker, _)| worker.to_owned());
    let tokens = memory.tokens.lock().unwrap();
    if let Some((worker, token)) = worker.and_then(|worker| tokens.get_key_value(&worker)) {
        let value = format!("Bearer {worker}:{token}");
        request
            .headers
            .insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    }
}

impl Mutation {
    /// Mutates a request.
    pub(crate) fn mutate_request(self, request: &mut Parts, body: &mut Vec<u8>, memory: &Memory) {
        let drop_field = |request: &mut Parts, name: &HeaderName| {
            request.headers.remove(name);
        };
        self.mutate_shared_request(request, body, memory);
        self.mutate_collection_request(request);
        self.mutate_quota_request(request);
        self.mutate_resumable_request(request);
        match self {
            Self::IgnoresIfNoneMatch => drop_field(request, &IF_NONE_MATCH),
            Self::IgnoresIfRange => drop_field(request, &IF_RANGE),
            Self::IgnoresIfMatch => drop_field(request, &IF_MATCH),
            Self::CodingIgnored => drop_field(request, &CONTENT_ENCODING),
            Self::DigestIgnored => drop_field(request, &HeaderName::from_static("content-digest")),
            Self::SiteIgnored => drop_field(request, &HeaderName::from_static("sec-fetch-site")),
            // The worker stays as it is.
            Self::RevocationIgnored | Self::AdministratorUndeletable if self.hides(request) => {
                request.method = Method::GET;
                let value = HeaderValue::from_static("revocation");
                request.headers.insert(IGNORED, value);
            }
            Self::KeyIgnored => drop_field(request, &KEY),
            Self::NameIgnored => drop_field(request, &CONTENT_DISPOSITION),
            Self::FormStored if request.uri.path().starts_with("/v1/") => {
                drop_field(request, &CONTENT_TYPE);
            }
            Self::BasicAnywhere => {
                let value = request.headers.get(AUTHORIZATION);
                let encoded = value.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
                if let Some(Ok(pair)) = encoded.map(|encoded| STANDARD.decode(encoded)) {
                    let bearer = [b"Bearer ", &pair[..]].concat();
                    let value = HeaderValue::from_bytes(&bearer).unwrap();
                    request.headers.insert(AUTHORIZATION, value);
                }
            }
            Self::ForwardedHostUsed => {
                if let Some(host) = request.headers.get("x-forwarded-host").cloned() {
                    request.headers.insert("host", host);
                }
            }
            Self::FirstCredential => {
                if let Some(first) = request.headers.get(AUTHORIZATION).cloned() {
                    request.headers.insert(AUTHORIZATION, first);
                }
            }
            Self::ExperimentOptional => {
                let experiment = request.uri.path().split('/').nth(3).unwrap_or_default();
                if !request.headers.contains_key(EXPERIMENT) && !experiment.is_empty() {
                    let value = HeaderValue::from_str(experiment).unwrap();
                    request.headers.insert(EXPERIMENT, value);
                }
            }
            Self::SecretInQuery => {
                let query = request.uri.query().unwrap_or_default();
                if let Some(secret) = query.strip_prefix("access_token=") {
                    let value = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
                    request.headers.insert(AUTHORIZATION, value);
                }
            }
            Self::FirstRange => {
                let range = request
                    .headers
                    .get(RANGE)
                    .and_then(|range| range.to_str().ok());
                if let Some((first, _)) = range.and_then(|range| range.split_once(',')) {
                    let first = HeaderValue::from_str(first).unwrap();
                    request.headers.insert(RANGE, first);
                }
            }
            Self::OldTokenAccepted => send_remembered_token(request, memory),
            Self::TrailingDataIgnored => {
                let end = b"cOnF-boundary-cOnF--\r\n";
                if let Some(at) = body.windows(end.len()).position(|here| here == end) {
                    body.truncate(at + end.len());
                    request.headers.insert(CONTENT_LENGTH, body.len().into());
                }
            }
            Self::LineFeedsRepaired => {
                if let Some(at) = body.windows(2).position(|pair| pair == b"\n\n") {
                    body.splice(at..at + 2, *b"\r\n\r\n");
                    request.headers.insert(CONTENT_LENGTH, body.len().into());
                }
            }
            Self::NullAccepted | Self::UnknownIgnored | Self::NamesTrimmed => {
                self.mutate_json(request, body);
            }
            Self::TusVersionIgnored
            | Self::NegativeLengthAccepted
            | Self::UploadDigestIgnored
            | Self::EndIgnored => self.mutate_upload_request(request),
            Self::AdministratorIsAdmin => send_as_admin(request),
            _ => self.mutate_target(request),
        }
    }

    /// Mutates a request about a resumable upload.
    fn mutate_upload_request(self, request: &mut Parts) {
        let is_end = request.method == Method::DELETE && request.uri.path().contains("/uploads/");
        let fields = &mut request.headers;
        match self {
            Self::TusVersionIgnored => {
                fields.insert("tus-resumable", HeaderValue::from_static("1.0.0"));
            }
            Self::NegativeLengthAccepted => {
                let length = fields.get_mut("upload-length");
                if let Some(length) = length.filter(|length| *length == "-1") {
                    *length = HeaderValue::from_static("5");
                }
            }
            Self::UploadDigestIgnored => drop(fields.remove("repr-digest")),
            // The upload stays as it is.
            Self::EndIgnored if is_end => {
                fields.insert(IGNORED, HeaderValue::from_static("end"));
                request.method = Method::GET;
            }
            _ => {}
        }
    }

    fn mutate_target(self, request: &mut Parts) {
        let target = request.uri.to_string();
        let (path, query) = target
            .split_once('?')
            .map_or((&*target, ""), |(path, query)| (path, query));
        let mutated = match self {
            Self::SlashIgnored => format!("{}?{query}", path.trim_end_matches('/')),
            Self::PathsDecoded => format!("{}?{query}", path.replace("%61", "a")),
            Self::UriDecodedTwice => format!("{path}?{}", query.replace("%25", "%")),
            Self::UriCaseIgnored => format!("{path}?{}", query.to_ascii_lowercase()),
            Self::FilterIgnored if path.ends_with("ers") || path.ends_with("groups") => {
                path.to_owned()
            }
            _ => return,
        };
        if let Ok(uri) = mutated.trim_end_matches('?').parse() {
            request.uri = uri;
        }
    }

    fn mutate_json(self, request: &mut Parts, body: &mut Vec<u8>) {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else {
            return;
        };
        match self {
            Self::NullAccepted => members.retain(|_, value| !value.is_null()),
            Self::UnknownIgnored => {
                members.retain(|name, _| {
                    ["name", "labels", "members", "member_id"].contains(&&**name)
                });
            }
            _ => {
                if let Some(Value::String(name)) = members.get_mut("name") {
                    *name = name.trim().to_owned();
                }
            }
        }
        *body = serde_json::to_vec(&members).unwrap();
        request.headers.insert(CONTENT_LENGTH, body.len().into());
    }
}

impl Mutation {
    /// Whether a request revokes a token or deletes a worker or an administrator, and the server pretends to do so.
    fn hides(self, request: &Parts) -> bool {
        let path = request.uri.path();
        let records = match self {
            Self::RevocationIgnored => "/workers/",
            _ => "/administrators/",
        };
        request.method == Method::DELETE && path.starts_with("/v1/") && path.contains(records)
    }
}
