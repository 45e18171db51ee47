//! Entry points of the fuzz targets. They are not part of the public API and may change in any release.

use artifact_backend::{ByteRange, Sha256Digest};
use artifact_http_files::DigestCheck;
use artifact_store::CollectionPath;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};

use crate::collections::NameInPath;
use crate::config::HttpConfig;
use crate::credential::Credential;
use crate::instance;
use crate::problem::Problem;

pub use crate::identity::fuzzing::{JsonBody, JsonEndpoint};

/// Returns the range that a fetch with these header fields uses.
pub fn range(headers: &HeaderMap) -> Option<ByteRange> {
    artifact_http_files::parse_range(headers)
}

/// Returns the `Content-Disposition` of an artifact with this file name.
pub fn attachment(file_name: Option<&str>) -> HeaderValue {
    artifact_http_files::attachment(file_name)
}

/// Parses the credential of a request.
///
/// # Errors
///
/// The problem that the client gets.
pub fn credential(headers: &HeaderMap) -> Result<Credential, Box<Response>> {
    Ok(Credential::from_headers(headers).map_err(|error| answer(error.into()))?)
}

/// Parses the name of a file in the path of a request.
///
/// # Errors
///
/// The problem that the client gets.
pub fn name_in_path(encoded: &str) -> Result<CollectionPath, Box<Response>> {
    Ok(NameInPath::parse(encoded).get().map_err(answer)?)
}

/// Returns a path as problems and the log show it: without the secret of a link.
pub fn shown_path(path: &str) -> String {
    instance::without_secrets(path).into_owned()
}

/// The digest fields of a deposit.
#[derive(Debug)]
pub struct Digests(DigestCheck);

impl Digests {
    /// Parses the fields. Returns `None` if they contain no digest of a supported algorithm.
    ///
    /// # Errors
    ///
    /// The problem that the client gets.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Box<Response>> {
        let check = DigestCheck::of(headers);
        let check = check.map_err(|error| answer(Problem::bad_request(error.to_string())))?;
        Ok(check.map(Self))
    }

    /// Returns the declared digests with the names of their algorithms.
    pub fn claims(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.0.claims()
    }

    /// Takes out the SHA-256 that the store is to compare.
    pub fn take_sha256(&mut self) -> Option<Sha256Digest> {
        self.0.take_sha256()
    }

    /// Returns whether the other declared digests are those of `bytes`.
    pub fn hold_for(mut self, bytes: &[u8]) -> bool {
        self.0.update(bytes);
        self.0.holds()
    }
}

pub(crate) fn answer(problem: Problem) -> Response {
    problem.respond("http://localhost/", &HttpConfig::default())
}
