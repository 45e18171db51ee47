//! The two protocols that uploads are spoken in. Both are about the same sessions.

use http::{HeaderMap, HeaderValue, StatusCode};

use super::draft;
use super::fields::{self, TUS_RESUMABLE, UPLOAD_COMPLETE, UPLOAD_LIMIT, VERSION};
use crate::problem::Problem;

/// Fails for a request with fields that name both protocols.
pub(super) fn check_one(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(TUS_RESUMABLE) && names_draft(headers) {
        return Err(Problem::bad_request(
            "Tus-Resumable belongs to tus, Upload-Complete and Upload-Draft-Interop-Version to draft-ietf-httpbis-resumable-upload; send the fields of one protocol",
        ));
    }
    Ok(())
}

fn names_draft(headers: &HeaderMap) -> bool {
    headers.contains_key(UPLOAD_COMPLETE) || headers.contains_key(draft::INTEROP_VERSION)
}

/// The protocol of a request about uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// tus 1.0.
    Tus,
    /// draft-ietf-httpbis-resumable-upload.
    Draft,
}

impl Protocol {
    /// Returns the protocol that a request names. One that names none counts as one of tus.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if names_draft(headers) && !headers.contains_key(TUS_RESUMABLE) {
            Self::Draft
        } else {
            Self::Tus
        }
    }

    /// Fails unless a request that changes an upload names a version that this server speaks, of one protocol.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Draft => draft::check_version(headers),
            Self::Tus => {
                check_one(headers)?;
                fields::check_version(headers)
            }
        }
    }

    /// Fails if a request names a version that this server does not speak.
    pub(super) fn check_if_any(self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Draft => draft::check_version(headers),
            Self::Tus => {
                check_one(headers)?;
                fields::check_version_if_any(headers)
            }
        }
    }

    /// Adds the fields that a problem has in this protocol.
    pub(super) fn dress(self, problem: Problem, max_bytes: u64) -> Problem {
        let problem = problem.with_header(TUS_RESUMABLE, VERSION);
        if self == Self::Tus {
            return problem;
        }
        let is_too_large = problem.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let problem = problem.with_default_header(UPLOAD_COMPLETE, HeaderValue::from_static("?0"));
        if is_too_large {
            problem.with_header(UPLOAD_LIMIT, draft::limits(max_bytes, None))
        } else {
            problem
        }
    }
}
