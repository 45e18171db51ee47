//! Mutations of the sound server's responses.

use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::mutation::{Memory, MutableResponse, Mutation};
use super::request::{EXPERIMENT, IGNORED, KEY};

/// Returns whether the response has the bytes of an artifact.
fn is_fetched(request: &Parts, status: u16) -> bool {
    let path = request.uri.path();
    let managed = path.starts_with("/v1/");
    (path.ends_with("/artifacts") && !managed
        || path.ends_with("/content")
        || path.contains("/files/"))
        && ![Method::POST, Method::PUT].contains(&request.method)
        && [200, 206].contains(&status)
}

impl Mutation {
    /// Mutates the response to a deposit with a key: the first artifact of the key is returned to everyone, or also for another
    /// deposit.
    fn mutate_keyed(self, request: &Parts, response: &mut MutableResponse, memory: &Memory) {
        let Some(key) = request.headers.get(KEY) else {
            return;
        };
        let mut keys = memory.keys.lock().unwrap();
        match (self, response.status.as_u16(), keys.get(key)) {
            (Self::KeyShared, 201, Some(first)) => response.body.clone_from(first),
            (_, 201, _) => drop(keys.insert(key.clone(), response.body.clone())),
            (Self::KeyAlone, 422, Some(first)) => {
                response.status = StatusCode::CREATED;
                response.body.clone_from(first);
                response.set(&CONTENT_TYPE, "application/json; charset=utf-8");
            }
            _ => {}
        }
    }

    /// Mutates what only browsers notice: challenges and the page.
    fn mutate_for_browsers(self, path: &str, response: &mut MutableResponse) {
        match self {
            Self::ScriptsAsk => {
                let basic = HeaderValue::from_static("Basic realm=\"artifact\", charset=\"UTF-8\"");
                response.fields.append(WWW_AUTHENTICATE, basic);
            }
            Self::PageFramed if path.starts_with("/ui") => {
                drop(response.fields.remove(CONTENT_SECURITY_POLICY));
            }
            Self::PageEverywhere if path.starts_with("/ui/") => response.status = StatusCode::OK,
            _ => {}
        }
    }

    /// Mutates what monitors get.
    fn mutate_readiness(self, request: &Parts, response: &mut MutableResponse) {
        if request.uri.path() != "/readyz" {
            return;
        }
        let unready = |reason: &str| json!({ "ready": false, "reasons": [{ "part": "database", "reason": reason }] });
        match self {
            // The body does not say so.
            Self::ReadyAnyway => {
                response.status = StatusCode::SERVICE_UNAVAILABLE;
                response.set(&RETRY_AFTER, "5");
            }
            Self::ReadinessCached => response.set(&CACHE_CONTROL, "public, max-age=60"),
            Self::ReadinessWithoutRetry => {
                response.succeed(&unready("cannot be read"));
                response.status = StatusCode::SERVICE_UNAVAILABLE;
            }
            Self::ReadinessTellsAll => {
                response.succeed(&unready("cannot open /srv/rows.sqlite"));
                response.status = StatusCode::SERVICE_UNAVAILABLE;
                response.set(&RETRY_AFTER, "5");
            }
            Self::ReadinessNeedsCredential if !request.headers.contains_key(AUTHORIZATION) => {
                response.refuse(401, "unauthorized", request);
            }
            Self::ReadinessPosted if request.method == Method::POST => {
                response.succeed(&json!({ "ready": true, "reasons": [] }));
            }
            _ => {}
        }
    }

    /// Mutates what the other files of this folder are about.
    fn mutate_response_of_area(
        self,
        request: &Parts,
        response: &mut MutableResponse,
        memory: &Memory,
    ) {
        self.mutate_readiness(request, response);
        self.mutate_receipt_response(request, response, memory);
        self.mutate_shared_response(request, response);
        self.mutate_collection_response(request, response);
        self.mutate_quota_response(request, response);
        self.mutate_resumable_response(request, response);
    }

    /// Mutates a response.
    pub(crate) fn mutate_response(
        self,
        request: &Parts,
        request_body: &[u8],
        response: &mut MutableResponse,
        memory: &Memory,
    ) {
        let path = request.uri.path();
        let status = response.status.as_u16();
        let managed = path.starts_with("/v1/");
        let fetched = is_fetched(request, status);
        self.mutate_response_of_area(request, response, memory);
        self.open_routes(path, response);
        match self {
            Self::DepositIs200 if status == 201 => response.status = StatusCode::OK,
            Self::NoWwwAuthenticate => drop(response.fields.remove(WWW_AUTHENTICATE)),
            Self::NoLocation => drop(response.fields.remove(LOCATION)),
            Self::NoAllow => drop(response.fields.remove(ALLOW)),
            Self::NoNosniff => drop(response.fields.remove(X_CONTENT_TYPE_OPTIONS)),
            Self::NoContentRange => drop(response.fields.remove(CONTENT_RANGE)),
            Self::NotModifiedWithoutVary if status == 304 => drop(response.fields.remove(VARY)),
            Self::ScriptsAsk | Self::PageFramed | Self::PageEverywhere => {
                self.mutate_for_browsers(path, response);
            }
            Self::Cached if fetched => response.set(&CACHE_CONTROL, "public, max-age=60"),
            Self::Inline if fetched => response.set(&CONTENT_DISPOSITION, "inline"),
            Self::CharsetAdded if fetched => {
                let kind = response.fields[CONTENT_TYPE].to_str().unwrap().to_owned();
                response.set(&CONTENT_TYPE, &format!("{kind}; charset=utf-8"));
            }
            Self::WeakEtag if fetched => {
                let etag = response.fields[ETAG].to_str().unwrap().to_owned();
                response.set(&ETAG, &format!("W/{etag}"));
            }
            Self::DigestOfPart if status == 206 => {
                let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
                response.set(&HeaderName::from_static("repr-digest"), digest);
            }
            Self::DepositWithoutDigest if status == 201 => {
                drop(response.fields.remove("repr-digest"));
            }
            // The digest of no bytes, which is right only for an empty artifact.
            Self::DepositDigestOfOtherBytes if status == 201 => {
                let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
                response.set(&HeaderName::from_static("repr-digest"), digest);
            }
            Self::ByteChanged if fetched => {
                if let Some(last) = response.body.last_mut() {
                    *last ^= 1;
                }
            }
            Self::PartIs200 if status == 206 => response.status = StatusCode::OK,
            Self::UnsatisfiableRangeIgnored if status == 416 => response.succeed(&json!({})),
            Self::JsonWithoutCharset if !response.is_problem() && !fetched => {
                response.set(&CONTENT_TYPE, "application/json");
            }
            Self::OptionsAnswered if request.method == Method::OPTIONS && status == 405 => {
                response.status = StatusCode::NO_CONTENT;
                response.body.clear();
                response.set(&HeaderName::from_static("access-control-allow-origin"), "*");
            }
            Self::HeadNotAllowed if request.method == Method::HEAD => {
                response.status = StatusCode::METHOD_NOT_ALLOWED;
            }
            Self::HoldIgnored if status == 409 && managed => response.succeed(&json!({})),
            Self::RevocationIgnored | Self::EndIgnored | Self::AdministratorUndeletable
                if request.headers.contains_key(IGNORED) =>
            {
                response.status = StatusCode::NO_CONTENT;
                response.body.clear();
            }
            Self::ExpiryUnchecked | Self::ParameterIgnored if status == 400 && managed => {
                response.succeed(&json!({}));
            }
            Self::DeletedIsRead if status == 404 && managed => response.succeed(&json!({})),
            Self::HiddenIsRead if status == 403 && managed => response.succeed(&json!({})),
            Self::ArtifactListedTwice if managed && path.ends_with("/artifacts") => {
                list_first_twice(response);
            }
            Self::SameUriForSameBytes if status == 201 => {
                let mut deposits = memory.deposits.lock().unwrap();
                let first = deposits
                    .entry(request_body.to_vec())
                    .or_insert_with(|| response.body.clone());
                response.body.clone_from(first);
            }
            Self::WrongOffsetAccepted
            | Self::OffsetOneMore
            | Self::NoArtifactLocation
            | Self::UploadHidden => self.mutate_upload(request, response),
            Self::KeyShared | Self::KeyAlone if managed => {
                self.mutate_keyed(request, response, memory);
            }
            Self::OldTokenAccepted if path.ends_with("/reissue-credential") && status == 200 => {
                remember_token(response, memory);
            }
            Self::ListHasTokens if path.ends_with("/workers") && request.method == Method::GET => {
                add_tokens(response);
            }
            Self::ResponseHasNull if status == 200 && !fetched => {
                response.edit(|value| value["name"] = Value::Null);
            }
            Self::DeletedIs200 if status == 204 => response.succeed(&json!({})),
            _ if self.mutate_administrators(request, response, memory) => {}
            _ if response.is_problem() => self.mutate_error(request, request_body, response),
            // A mutation changes only one thing.
            _ => {}
        }
    }

    /// Mutates the response to a request about a resumable upload.
    fn mutate_upload(self, request: &Parts, response: &mut MutableResponse) {
        let status = response.status.as_u16();
        match self {
            Self::WrongOffsetAccepted if status == 409 => {
                response.status = StatusCode::NO_CONTENT;
                response.body.clear();
            }
            Self::OffsetOneMore if response.fields.contains_key("upload-offset") => {
                let offset = response.fields["upload-offset"].to_str().unwrap();
                let more = offset.parse::<u64>().unwrap() + 1;
                response.set(&HeaderName::from_static("upload-offset"), &more.to_string());
            }
            Self::NoArtifactLocation => drop(response.fields.remove("artifact-location")),
            Self::UploadHidden if status == 404 && request.uri.path().contains("/uploads/") => {
                response.refuse(403, "forbidden", request);
            }
            _ => {}
        }
    }

    /// Lets a request without a credential succeed.
    fn open_routes(self, path: &str, response: &mut MutableResponse) {
        let is_unauthorized = response.status == StatusCode::UNAUTHORIZED;
        match self {
            Self::MetricsOpen if path == "/metrics" => response.succeed(&json!({})),
            Self::AnonymousDeposits if is_unauthorized && path.ends_with("/artifacts") => {
                response.succeed(&json!({ "id": "x" }));
            }
            Self::ManagementOpen if is_unauthorized && path == "/v1/administrators" => {
                response.succeed(&json!({ "administrators": [] }));
            }
            _ => {}
        }
    }

    /// Mutates an error response.
    fn mutate_error(self, request: &Parts, request_body: &[u8], response: &mut MutableResponse) {
        let path = request.uri.path();
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let is = |kind: &str| problem["type"] == format!("eden://error/{kind}").as_str();
        let credential = request
            .headers
            .get(AUTHORIZATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        match self {
            Self::DetailIsNumber => response.edit(|problem| problem["detail"] = 42.into()),
            Self::ExtraMember => response.edit(|problem| problem["trace"] = "x".into()),
            Self::WrongProblemStatus => response.edit(|problem| problem["status"] = 500.into()),
            Self::UnknownType => {
                response.edit(|problem| problem["type"] = "eden://error/oops".into());
            }
            Self::InstanceRelative => response.edit(|problem| problem["instance"] = path.into()),
            Self::ProblemWithoutCharset => response.set(&CONTENT_TYPE, "application/problem+json"),
            Self::SecretRepeated => {
                let text = credential.unwrap_or_default();
                response.edit(|problem| problem["detail"] = text.into());
            }
            Self::ReasonRevealed if credential.is_none() => {
                response.edit(|problem| problem["detail"] = "no credential".into());
            }
            Self::ForbiddenIsNotFound if is("forbidden") => {
                response.refuse(404, "not-found", request);
            }
            Self::ForeignWorkerIs401
                if is("forbidden") && path.starts_with("/v0/experiments/other") =>
            {
                response.refuse(401, "unauthorized", request);
            }
            Self::AnyWorkerReads if is("forbidden") && path.ends_with("/artifacts") => {
                response.succeed(&json!({}));
            }
            Self::RefusalHasEtag if is("forbidden") => response.set(&ETAG, "\"x\""),
            Self::ExperimentFirst
                if is("unauthorized") && !request.headers.contains_key(EXPERIMENT) =>
            {
                response.refuse(400, "experiment-id-mismatch", request);
            }
            Self::PathFirst if is("experiment-id-mismatch") && path.ends_with("/nothing") => {
                response.refuse(404, "not-found", request);
            }
            Self::BodyBeforeClass if is("forbidden") && request_body.starts_with(b"{\"no\"") => {
                response.refuse(400, "bad-request", request);
            }
            Self::WorkersRegister if is("forbidden") && path.ends_with("/workers") => {
                response.succeed(&json!({}));
            }
            Self::WorkersListAdministrators if is("forbidden") && path == "/v1/administrators" => {
                response.succeed(&json!({ "administrators": [], "unreadable": 0, "next": null }));
            }
            Self::InvalidNameIs400 if is("invalid-name") => {
                response.refuse(400, "bad-request", request);
            }
            Self::ReservedNameAccepted if is("reserved-identifier") => response.succeed(&json!({})),
            Self::CycleAccepted if is("cycle-detected") => {
                response.succeed(&json!({ "members": [] }));
            }
            Self::AdminIsWorker if is("forbidden") && path.ends_with("/whoami") => {
                response.succeed(&json!({ "worker_id": "admin" }));
            }
            _ => {}
        }
    }
}

/// Repeats the first artifact of a page at its end.
fn list_first_twice(response: &mut MutableResponse) {
    if let Ok(mut page) = serde_json::from_slice::<Value>(&response.body) {
        let artifacts = page["artifacts"].as_array_mut();
        if let Some(artifacts) = artifacts.filter(|artifacts| !artifacts.is_empty()) {
            artifacts.push(artifacts[0].clone());
            response.succeed(&page);
        }
    }
}

/// Remembers the token that a worker got, so that it is accepted for ever.
fn remember_token(response: &MutableResponse, memory: &Memory) {
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let mut tokens = memory.tokens.lock().unwrap();
    tokens.insert(text("worker_id"), text("registration_token"));
}

/// Adds a token to each worker of a list.
fn add_tokens(response: &mut MutableResponse) {
    response.edit(|value| {
        for worker in value["workers"].as_array_mut().into_iter().flatten() {
            worker["registration_token"] = "x".into();
        }
    });
}
