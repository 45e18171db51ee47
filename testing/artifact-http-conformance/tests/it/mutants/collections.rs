//! Mutations of collections.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use super::TOKEN;
use super::mutation::{MutableResponse, Mutation};

impl Mutation {
    pub(super) fn mutate_collection_request(self, request: &mut Parts) {
        let path = request.uri.path();
        match self {
            Self::CollectionsLeaked
                if request.method == Method::GET && path.ends_with("/collections") =>
            {
                let value = HeaderValue::from_str(&format!("Bearer admin:{TOKEN}")).unwrap();
                request.headers.insert(AUTHORIZATION, value);
            }
            Self::PrefixIgnored if path.ends_with("/files") => {
                request.uri = path.parse().unwrap();
            }
            _ => {}
        }
    }

    pub(super) fn mutate_collection_response(
        self,
        request: &Parts,
        response: &mut MutableResponse,
    ) {
        let path = request.uri.path();
        let managed = path.starts_with("/v1/");
        let put = request.method == Method::PUT;
        match (self, response.status.as_u16()) {
            (Self::NameOverwritten, 409) | (Self::NameUnchecked, 400) if put => {
                response.succeed(&json!({ "name": "x", "sha256": "x" }));
                response.status = StatusCode::CREATED;
            }
            (Self::SealIgnored, 409) if managed => response.succeed(&json!({ "files": [] })),
            (Self::ManifestDigestWrong, 200) if path.ends_with("/manifest") => {
                response.edit(|manifest| manifest["total"]["sha256"] = "0".into());
            }
            // A grant of a collection lets its grantee write.
            (Self::GranteeWrites, 403)
                if path.contains("/collections/") && request.method != Method::GET =>
            {
                response.succeed(&json!({ "id": "x" }));
            }
            // A grant of a collection counts for its list, and not for the artifacts in it.
            (Self::CollectionGrantLists, 200) if path.ends_with("/content") => {
                response.refuse(403, "forbidden", request);
            }
            _ => {}
        }
    }
}
