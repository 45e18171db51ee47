//! Mutations of resumable uploads: of their checksums, and of those by the draft.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::mutation::{MutableResponse, Mutation};
use super::request::IGNORED;

/// Fields that say that the content of a request is a part of a file.
const PARTIAL: [&str; 5] = [
    "content-range",
    "tus-resumable",
    "upload-defer-length",
    "upload-length",
    "upload-offset",
];

impl Mutation {
    pub(super) fn mutate_resumable_request(self, request: &mut Parts) {
        let fields = &mut request.headers;
        let is_draft = fields.contains_key("upload-complete");
        match self {
            Self::ChecksumIgnored => {
                fields.remove("upload-checksum");
                fields.remove("content-digest");
            }
            // The server keeps the bytes, although its response says that they are wrong.
            Self::BadAppendKept => {
                let checksum = fields.remove("upload-checksum");
                let digest = fields.remove("content-digest");
                if checksum.is_some() || digest.is_some() {
                    let kind = if checksum.is_some() { "460" } else { "400" };
                    fields.insert(IGNORED, HeaderValue::from_static(kind));
                }
            }
            Self::DraftLengthIgnored if is_draft => drop(fields.remove("upload-length")),
            // What the draft says about malformed fields.
            Self::DraftFieldsIgnored => {
                fields.remove("upload-incomplete");
                let complete = fields.get("upload-complete");
                if complete.is_some_and(|value| value != "?0" && value != "?1") {
                    fields.remove("upload-complete");
                }
            }
            // The server goes by one of them.
            Self::BothProtocols if fields.contains_key("tus-resumable") => {
                fields.remove("upload-complete");
                fields.remove("upload-draft-interop-version");
            }
            Self::PartAsWhole
                if matches!(request.method, Method::POST | Method::PUT)
                    && !request.uri.path().ends_with("/uploads") =>
            {
                for field in PARTIAL {
                    fields.remove(field);
                }
            }
            Self::DraftTypeIgnored if is_draft && request.method == Method::PATCH => {
                let kind = HeaderValue::from_static("application/partial-upload");
                fields.insert(CONTENT_TYPE, kind);
            }
            _ => {}
        }
    }

    pub(super) fn mutate_resumable_response(self, request: &Parts, response: &mut MutableResponse) {
        match self {
            Self::BadAppendKept => match request.headers.get(IGNORED) {
                Some(kind) if kind == "460" => {
                    response.refuse(460, "checksum-mismatch", request);
                }
                Some(_) => response.refuse(400, "bad-request", request),
                None => {}
            },
            Self::NoAlgorithms => drop(response.fields.remove("tus-checksum-algorithm")),
            Self::CompleteAppends
                if String::from_utf8_lossy(&response.body).contains("#completed-upload") =>
            {
                response.status = StatusCode::NO_CONTENT;
                response.body.clear();
            }
            Self::NoUploadLimit => drop(response.fields.remove("upload-limit")),
            Self::NoUploadComplete => drop(response.fields.remove("upload-complete")),
            _ => {}
        }
    }
}
