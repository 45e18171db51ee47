//! Mutations of quotas.

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use super::mutation::{MutableResponse, Mutation};
use super::request::IGNORED;

impl Mutation {
    /// Mutates a request that sets a quota: the quota stays as it is.
    pub(super) fn mutate_quota_request(self, request: &mut Parts) {
        let is_quota = request.method == Method::PUT && request.uri.path().ends_with("/quota");
        if self == Self::QuotaIgnored && is_quota {
            request.method = Method::GET;
            let value = HeaderValue::from_static("quota");
            request.headers.insert(IGNORED, value);
        }
    }

    pub(super) fn mutate_quota_response(self, request: &Parts, response: &mut MutableResponse) {
        let path = request.uri.path();
        let status = response.status.as_u16();
        let managed = path.starts_with("/v1/");
        let is_set = match self {
            Self::QuotaIgnored => request.headers.contains_key(IGNORED),
            Self::QuotaSetUnchecked => status == 400 && path.ends_with("/quota"),
            _ => false,
        };
        if is_set {
            response.status = StatusCode::NO_CONTENT;
            response.body.clear();
            return;
        }
        match self {
            Self::QuotaUnnamed if status == 507 && managed => {
                response.edit(|problem| problem["type"] = json!("about:blank"));
            }
            Self::QuotaNamedInV0 if status == 507 && !managed => {
                response.edit(|problem| problem["type"] = json!("eden://error/quota-exceeded"));
            }
            Self::QuotaWithoutRest if status == 507 => {
                response.edit(|problem| problem["detail"] = json!("too much"));
            }
            Self::QuotaShownToAll if status == 403 && path.ends_with("/quota") => {
                response.succeed(&json!({ "quota": null }));
            }
            Self::QuotaAsZero if status == 200 && managed => response.edit(|body| {
                if let Some(quota) = body["quota"].as_object_mut() {
                    quota.insert("bytes_left".to_owned(), json!(0));
                }
            }),
            _ => {}
        }
    }
}
