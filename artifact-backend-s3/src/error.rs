//! Failed requests: what each says about the storage, and the error of the operation it ends.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use artifact_backend::{ArtifactId, BoxError, Error, ErrorKind, Operation};

#[cfg(feature = "http")]
use crate::response::{ErrorResponse, NoResponse, Peer};

/// What is known about a request after it failed.
#[cfg_attr(
    not(feature = "http"),
    expect(
        dead_code,
        reason = "only the providers' own responses distinguish all of these"
    )
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The object does not exist; the bucket does.
    NoObject,
    /// The object or the bucket does not exist; the response does not say which.
    NotFound,
    /// The bucket does not exist.
    NoBucket,
    /// The object exists already, and nothing was written.
    Exists,
    /// Another request for the same name was in progress, and nothing was written.
    Conflict,
    /// The multipart upload or its parts no longer exist.
    NoUpload,
    /// The range holds no byte of the object.
    NoRange,
    /// The request was rejected and nothing was done. The same request will be rejected again.
    Rejected,
    /// Nothing was done. The same request may succeed later.
    Busy,
    /// Whether the request was carried out is unknown. The same request may succeed later.
    Unknown,
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct RequestError {
    pub(crate) outcome: Outcome,
    kind: ErrorKind,
    detail: Cow<'static, str>,
    source: Option<BoxError>,
}

impl RequestError {
    pub(crate) fn new(
        outcome: Outcome,
        kind: ErrorKind,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            outcome,
            kind,
            detail: detail.into(),
            source: None,
        }
    }

    pub(crate) fn no_bucket() -> Self {
        Self::new(Outcome::NoBucket, ErrorKind::Misconfigured, NO_BUCKET)
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Busy | Outcome::Unknown | Outcome::Conflict
        )
    }

    /// Whether the object or upload that the request should remove no longer exists.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.outcome, Outcome::NoUpload | Outcome::NoObject)
    }

    /// Converts the request error to the error of the operation.
    pub(crate) fn into_error(self, operation: Operation, id: Option<ArtifactId>) -> Error {
        let kind = match self.outcome {
            // Only a create and its read-back can tell whether a blob exists. This was another
            // request, without a condition that could fail.
            Outcome::Exists => ErrorKind::Unavailable,
            _ => self.kind,
        };
        self.into_error_of_kind(kind, operation, id)
    }

    /// Like [`into_error`](Self::into_error), but with a kind that the caller chooses.
    pub(crate) fn into_error_of_kind(
        self,
        kind: ErrorKind,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Error {
        let mut error = Error::new(kind, operation).with_detail(self.detail);
        if let Some(id) = id {
            error = error.with_id(id);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl fmt::Display for RequestError {
    /// Writes one line with all causes, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        let mut source: Option<&(dyn StdError + 'static)> = match &self.source {
            Some(source) => Some(&**source),
            None => None,
        };
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl From<object_store::Error> for RequestError {
    fn from(error: object_store::Error) -> Self {
        #[cfg(feature = "http")]
        {
            if let Some(response) = find::<ErrorResponse>(&error) {
                return classify_response(response.clone());
            }
            if let Some(no_response) = find::<NoResponse>(&error) {
                return classify_no_response(no_response).with_source(error);
            }
        }
        classify_variant(&error).with_source(error)
    }
}

/// Returns the first error of this type in a chain.
fn find<E: StdError + 'static>(error: &object_store::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Classifies an error by the library's own variant. Used for stores without our connector: memory,
/// a disk, or a store that the program supplies.
fn classify_variant(error: &object_store::Error) -> RequestError {
    use object_store::Error as E;
    if let Some(kind) = find::<io::Error>(error).and_then(|error| kind_of_io(error.kind())) {
        return RequestError::new(Outcome::Rejected, kind, "");
    }
    let (outcome, kind, detail) = match error {
        E::NotFound { .. } => (Outcome::NotFound, ErrorKind::NotFound, ""),
        E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => {
            (Outcome::Exists, ErrorKind::AlreadyExists, "")
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (Outcome::Rejected, ErrorKind::PermissionDenied, DENIED)
        }
        E::NotSupported { .. } | E::NotImplemented { .. } => (
            Outcome::Rejected,
            ErrorKind::Unsupported,
            "the storage does not support this request",
        ),
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => {
            (Outcome::Rejected, ErrorKind::Unexpected, "")
        }
        _ => (
            Outcome::Unknown,
            ErrorKind::Unavailable,
            "the storage failed or did not respond",
        ),
    };
    RequestError::new(outcome, kind, detail)
}

fn kind_of_io(kind: io::ErrorKind) -> Option<ErrorKind> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(ErrorKind::OutOfSpace),
        io::ErrorKind::FileTooLarge => Some(ErrorKind::TooLarge),
        io::ErrorKind::PermissionDenied => Some(ErrorKind::PermissionDenied),
        io::ErrorKind::ReadOnlyFilesystem => Some(ErrorKind::Misconfigured),
        _ => None,
    }
}

const NO_BUCKET: &str = "the bucket does not exist; create it, or configure another";

const DENIED: &str = "the storage denied this request; check that the credentials are correct, have \
                      not expired, and may read, write, list and delete in this bucket";

#[cfg(feature = "http")]
const NO_CREDENTIALS: &str = "no credentials were found: set the provider's own variables, such as \
                              AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run on a machine that \
                              has a role";

#[cfg(feature = "http")]
const REDIRECTED: &str = "the storage redirects requests to another address; configure that address \
                          as the endpoint";

#[cfg(feature = "http")]
const DAMAGED: &str = "the bytes were changed on the way to the storage, which stored nothing; check \
                       proxies and the network";

#[cfg(feature = "http")]
const THROTTLED: &str =
    "the storage asks for fewer requests; send fewer in parallel, or raise its limits";

#[cfg(feature = "http")]
fn classify_no_response(no_response: &NoResponse) -> RequestError {
    let (outcome, kind, detail) = if no_response.peer == Peer::Credentials {
        (Outcome::Busy, ErrorKind::PermissionDenied, NO_CREDENTIALS)
    } else if no_response.not_connected {
        (
            Outcome::Busy,
            ErrorKind::Unavailable,
            "cannot connect to the storage; check the endpoint, the network and TLS",
        )
    } else {
        (
            Outcome::Unknown,
            ErrorKind::Unavailable,
            "the storage did not send a complete response",
        )
    };
    RequestError::new(outcome, kind, detail)
}

/// Classifies a response. One table serves S3, Google and Azure, because their codes do not
/// contradict each other.
///
/// Sources: Amazon S3 API reference, "Error responses"; Google Cloud Storage XML API, "HTTP status
/// and error codes"; Azure "Blob service error codes".
#[cfg(feature = "http")]
fn classify_response(response: ErrorResponse) -> RequestError {
    use ErrorKind as K;
    use Outcome as O;
    let (outcome, kind, detail) = match (response.status, response.code.as_str()) {
        (429 | 500.., _) if response.from == Peer::Credentials => {
            (O::Busy, K::PermissionDenied, NO_CREDENTIALS)
        }
        _ if response.from == Peer::Credentials => {
            (O::Rejected, K::PermissionDenied, NO_CREDENTIALS)
        }
        _ if response.from == Peer::Redirect => (O::Rejected, K::Misconfigured, REDIRECTED),
        (_, "BadDigest" | "Md5Mismatch" | "XAmzContentSHA256Mismatch") => {
            (O::Busy, K::Unavailable, DAMAGED)
        }
        (_, "NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName" | "NoSuchContainer") => {
            (O::NoBucket, K::Misconfigured, NO_BUCKET)
        }
        (
            _,
            "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "InvalidBlockList"
            | "InvalidBlockId",
        ) => (
            O::NoUpload,
            K::Unavailable,
            "the storage has lost the parts of this upload; send it again",
        ),
        (404, "NoSuchKey" | "BlobNotFound") => (O::NoObject, K::NotFound, ""),
        (404, _) => (O::NotFound, K::NotFound, ""),
        (_, "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture") => (
            O::Rejected,
            K::Misconfigured,
            "the clock of this machine differs too much from the storage's clock; correct it (NTP)",
        ),
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken") => {
            (
                O::Rejected,
                K::PermissionDenied,
                "the credentials have expired, or their session token is wrong; renew them",
            )
        }
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthenticationFailed"
            | "InvalidAuthenticationInfo"
            | "NoAuthenticationInformation",
        ) => (
            O::Rejected,
            K::PermissionDenied,
            "the storage does not accept these credentials; check the key and its secret",
        ),
        (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException",
        )
        | (300..=303 | 305..=399, _) => (
            O::Rejected,
            K::Misconfigured,
            "the bucket is in another region or at another endpoint; configure the right one",
        ),
        (
            _,
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "AccountLimitExceeded",
        )
        | (507, _) => (O::Rejected, K::OutOfSpace, "the storage is full"),
        (413, _) | (_, "EntityTooLarge" | "RequestBodyTooLarge") => (
            O::Rejected,
            K::TooLarge,
            "the storage does not accept an object of this size",
        ),
        (401 | 403, _) => (O::Rejected, K::PermissionDenied, DENIED),
        (416, _) => (O::NoRange, K::InvalidRange, ""),
        (412 | 304, _) | (409, "BlobAlreadyExists") => (O::Exists, K::AlreadyExists, ""),
        (409, _) => (
            O::Conflict,
            K::Unavailable,
            "another request for the same name was in progress",
        ),
        (429, _) => (O::Busy, K::Unavailable, THROTTLED),
        // A load balancer may send this after the storage has already carried out the request.
        (503, "SlowDown" | "ServerBusy" | "ThrottlingException" | "Throttling") => {
            (O::Unknown, K::Unavailable, THROTTLED)
        }
        (405 | 501, _) => (
            O::Rejected,
            K::Unsupported,
            "the storage does not support this request; check that the endpoint is right",
        ),
        (408 | 500..=599, _) => (O::Unknown, K::Unavailable, "the storage failed temporarily"),
        _ => (
            O::Rejected,
            K::Unexpected,
            "the storage rejected the request",
        ),
    };
    RequestError::new(outcome, kind, detail).with_source(response)
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use artifact_backend::ErrorKind as K;

    use super::{Outcome as O, RequestError, classify_response};
    use crate::response::{ErrorResponse, Peer};

    fn classify(status: u16, code: &str) -> (O, K) {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let RequestError { outcome, kind, .. } =
            classify_response(ErrorResponse::new(Peer::Storage, status, None, &body));
        (outcome, kind)
    }

    #[test]
    fn each_response_has_its_outcome_and_kind() {
        let table = [
            (404, "NoSuchKey", O::NoObject, K::NotFound),
            (404, "", O::NotFound, K::NotFound),
            (404, "NoSuchBucket", O::NoBucket, K::Misconfigured),
            (404, "ContainerNotFound", O::NoBucket, K::Misconfigured),
            (404, "NoSuchUpload", O::NoUpload, K::Unavailable),
            (400, "InvalidBlockList", O::NoUpload, K::Unavailable),
            (403, "RequestTimeTooSkewed", O::Rejected, K::Misconfigured),
            (400, "ExpiredToken", O::Rejected, K::PermissionDenied),
            (
                403,
                "SignatureDoesNotMatch",
                O::Rejected,
                K::PermissionDenied,
            ),
            (403, "AccessDenied", O::Rejected, K::PermissionDenied),
            (401, "", O::Rejected, K::PermissionDenied),
            (301, "PermanentRedirect", O::Rejected, K::Misconfigured),
            (412, "PreconditionFailed", O::Exists, K::AlreadyExists),
            (409, "BlobAlreadyExists", O::Exists, K::AlreadyExists),
            (
                409,
                "ConditionalRequestConflict",
                O::Conflict,
                K::Unavailable,
            ),
            (429, "TooManyRequests", O::Busy, K::Unavailable),
            (503, "SlowDown", O::Unknown, K::Unavailable),
            (429, "", O::Busy, K::Unavailable),
            (503, "", O::Unknown, K::Unavailable),
            (500, "InternalError", O::Unknown, K::Unavailable),
            (507, "", O::Rejected, K::OutOfSpace),
            (413, "", O::Rejected, K::TooLarge),
            (416, "InvalidRange", O::NoRange, K::InvalidRange),
            (501, "NotImplemented", O::Rejected, K::Unsupported),
            (400, "", O::Rejected, K::Unexpected),
            (400, "BadDigest", O::Busy, K::Unavailable),
            (400, "Md5Mismatch", O::Busy, K::Unavailable),
            (400, "XAmzContentSHA256Mismatch", O::Busy, K::Unavailable),
        ];
        for (status, code, outcome, kind) in table {
            assert_eq!(classify(status, code), (outcome, kind), "{status} {code}");
        }
    }

    #[test]
    fn responses_after_a_redirect_never_describe_a_blob() {
        for status in [200, 204, 301, 400, 403, 404, 409, 412, 416, 500] {
            let RequestError { outcome, kind, .. } =
                classify_response(ErrorResponse::new(Peer::Redirect, status, None, ""));
            assert_eq!((outcome, kind), (O::Rejected, K::Misconfigured), "{status}");
        }
    }

    #[test]
    fn responses_of_the_credentials_service_never_describe_a_blob() {
        for status in [301, 400, 403, 404, 409, 412, 416] {
            let RequestError { outcome, kind, .. } =
                classify_response(ErrorResponse::new(Peer::Credentials, status, None, ""));
            assert_eq!(
                (outcome, kind),
                (O::Rejected, K::PermissionDenied),
                "{status}"
            );
        }
    }
}
