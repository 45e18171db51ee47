//! What a request that failed says about the storage, before an operation makes an error of it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use artifact_backend::{ArtifactId, BoxError, Error, ErrorKind, Operation};

#[cfg(feature = "http")]
use crate::answer::{Answer, Peer, Unreached};

/// What is known after a request that failed.
#[cfg_attr(
    not(feature = "http"),
    expect(
        dead_code,
        reason = "only the providers' own answers tell some of these apart"
    )
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// There is no such object, in a bucket that is there.
    NoObject,
    /// There is no such object, or no such bucket: the answer does not say which.
    Missing,
    /// There is no such bucket.
    NoBucket,
    /// There is such an object already, and nothing was written.
    Taken,
    /// Another request for the same name was under way, and nothing was written.
    Conflict,
    /// The multipart upload is not there any more, or its parts are not.
    NoUpload,
    /// The range holds no byte of the object.
    NoRange,
    /// The request was refused and nothing was done. The same one will be refused again.
    Refused,
    /// Nothing was done. The same request may succeed later.
    Busy,
    /// What was done is not known. The same request may succeed later.
    Doubt,
}

/// One request that failed.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) class: Class,
    kind: ErrorKind,
    detail: Cow<'static, str>,
    source: Option<BoxError>,
}

impl Trouble {
    pub(crate) fn new(class: Class, kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            class,
            kind,
            detail: detail.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, with more known.
    pub(crate) fn of_class(self, class: Class) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same request may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.class, Class::Busy | Class::Doubt | Class::Conflict)
    }

    /// The error of an operation that ends with this.
    pub(crate) fn into_error(self, operation: Operation, id: Option<ArtifactId>) -> Error {
        let kind = match self.class {
            // Whether a blob is there, only a create of it and its read-back can say. This was another
            // request, which has no condition that could fail.
            Class::Taken => ErrorKind::Unavailable,
            _ => self.kind,
        };
        self.into_error_of(kind, operation, id)
    }

    /// The same, of a kind that the caller knows better.
    pub(crate) fn into_error_of(
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

impl fmt::Display for Trouble {
    /// On one line, as it is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Self {
        #[cfg(feature = "http")]
        {
            if let Some(answer) = find::<Answer>(&error) {
                return of_answer(answer.clone());
            }
            if let Some(unreached) = find::<Unreached>(&error) {
                return of_silence(unreached).with_source(error);
            }
        }
        of_variant(&error).with_source(error)
    }
}

/// The first error of this type in a chain.
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

/// What the library's own variants say, where there is nothing better: a store that a program made
/// itself, a disk, memory.
fn of_variant(error: &object_store::Error) -> Trouble {
    use object_store::Error as E;
    if let Some(kind) = find::<io::Error>(error).and_then(|error| of_io(error.kind())) {
        return Trouble::new(Class::Refused, kind, "");
    }
    match error {
        E::NotFound { .. } => Trouble::new(Class::Missing, ErrorKind::NotFound, ""),
        E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => {
            Trouble::new(Class::Taken, ErrorKind::AlreadyExists, "")
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Trouble::new(Class::Refused, ErrorKind::PermissionDenied, CREDENTIALS)
        }
        E::NotSupported { .. } | E::NotImplemented { .. } => Trouble::new(
            Class::Refused,
            ErrorKind::Unsupported,
            "the storage cannot do this",
        ),
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => {
            Trouble::new(Class::Refused, ErrorKind::Unexpected, "")
        }
        _ => Trouble::new(
            Class::Doubt,
            ErrorKind::Unavailable,
            "the storage failed or did not answer",
        ),
    }
}

fn of_io(kind: io::ErrorKind) -> Option<ErrorKind> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(ErrorKind::OutOfSpace),
        io::ErrorKind::FileTooLarge => Some(ErrorKind::TooLarge),
        io::ErrorKind::PermissionDenied => Some(ErrorKind::PermissionDenied),
        io::ErrorKind::ReadOnlyFilesystem => Some(ErrorKind::Misconfigured),
        _ => None,
    }
}

const CREDENTIALS: &str = "the storage does not let these credentials do this; check that they are \
                           right, not expired, and may read, write, list and delete here";

#[cfg(feature = "http")]
const NO_CREDENTIALS: &str = "no credentials were to be had: set the provider's own variables, such \
                              as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where the \
                              machine has a role";

#[cfg(feature = "http")]
const THROTTLED: &str =
    "the storage asks for fewer requests; send less at once, or raise its limits";

#[cfg(feature = "http")]
fn of_silence(unreached: &Unreached) -> Trouble {
    if unreached.peer == Peer::Credentials {
        return Trouble::new(Class::Busy, ErrorKind::PermissionDenied, NO_CREDENTIALS);
    }
    if unreached.not_connected {
        return Trouble::new(
            Class::Busy,
            ErrorKind::Unavailable,
            "the storage cannot be reached; check the endpoint, the network and TLS",
        );
    }
    Trouble::new(
        Class::Doubt,
        ErrorKind::Unavailable,
        "the storage did not answer to the end",
    )
}

/// One table for S3, Google and Azure: their codes do not contradict one another.
///
/// Sources: Amazon S3 API reference, "Error responses"; Google Cloud Storage XML API, "HTTP status
/// and error codes"; Azure "Blob service error codes".
#[cfg(feature = "http")]
fn of_answer(answer: Answer) -> Trouble {
    use Class as C;
    use ErrorKind as K;
    let (class, kind, detail) = match (answer.status, answer.code.as_str()) {
        _ if answer.from == Peer::Credentials => {
            let class = if answer.status >= 500 || answer.status == 429 {
                C::Busy
            } else {
                C::Refused
            };
            (class, K::PermissionDenied, NO_CREDENTIALS)
        }
        (_, "NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName" | "NoSuchContainer") => (
            C::NoBucket,
            K::Misconfigured,
            "there is no such bucket; make it first, or name another",
        ),
        (
            _,
            "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "InvalidBlockList"
            | "InvalidBlockId",
        ) => (
            C::NoUpload,
            K::Unavailable,
            "the storage has lost the parts of this upload; send it again",
        ),
        (404, "NoSuchKey" | "BlobNotFound") => (C::NoObject, K::NotFound, ""),
        (404, _) => (C::Missing, K::NotFound, ""),
        (_, "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture") => (
            C::Refused,
            K::Misconfigured,
            "the clock of this machine differs too much from the storage's; set it right (NTP)",
        ),
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken") => {
            (
                C::Refused,
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
            C::Refused,
            K::PermissionDenied,
            "the storage does not know these credentials; check the key and its secret",
        ),
        (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException",
        )
        | (300..=303 | 305..=399, _) => (
            C::Refused,
            K::Misconfigured,
            "the bucket is elsewhere; set the region or the endpoint that it is in",
        ),
        (
            _,
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "AccountLimitExceeded",
        )
        | (507, _) => (C::Refused, K::OutOfSpace, "the storage has no room left"),
        (413, _) | (_, "EntityTooLarge" | "RequestBodyTooLarge") => (
            C::Refused,
            K::TooLarge,
            "the storage takes no object so large",
        ),
        (401 | 403, _) => (C::Refused, K::PermissionDenied, CREDENTIALS),
        (416, _) => (C::NoRange, K::InvalidRange, ""),
        (412 | 304, _) | (409, "BlobAlreadyExists") => (C::Taken, K::AlreadyExists, ""),
        (409, _) => (
            C::Conflict,
            K::Unavailable,
            "another request for the same name was under way",
        ),
        (429, _) => (C::Busy, K::Unavailable, THROTTLED),
        // A balancer on the way says the same when the storage has done it already.
        (503, "SlowDown" | "ServerBusy" | "ThrottlingException" | "Throttling") => {
            (C::Doubt, K::Unavailable, THROTTLED)
        }
        (405 | 501, _) => (
            C::Refused,
            K::Unsupported,
            "the storage cannot do this; check that the endpoint is the right one",
        ),
        (408 | 500..=599, _) => (C::Doubt, K::Unavailable, "the storage failed for now"),
        _ => (C::Refused, K::Unexpected, "the storage refused the request"),
    };
    Trouble::new(class, kind, detail).with_source(answer)
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use artifact_backend::ErrorKind as K;

    use super::{Class as C, Trouble, of_answer};
    use crate::answer::{Answer, Peer};

    fn told(status: u16, code: &str) -> (C, K) {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let Trouble { class, kind, .. } =
            of_answer(Answer::new(Peer::Storage, status, None, &body));
        (class, kind)
    }

    #[test]
    fn each_answer_has_its_class_and_kind() {
        let table = [
            (404, "NoSuchKey", C::NoObject, K::NotFound),
            (404, "", C::Missing, K::NotFound),
            (404, "NoSuchBucket", C::NoBucket, K::Misconfigured),
            (404, "ContainerNotFound", C::NoBucket, K::Misconfigured),
            (404, "NoSuchUpload", C::NoUpload, K::Unavailable),
            (400, "InvalidBlockList", C::NoUpload, K::Unavailable),
            (403, "RequestTimeTooSkewed", C::Refused, K::Misconfigured),
            (400, "ExpiredToken", C::Refused, K::PermissionDenied),
            (
                403,
                "SignatureDoesNotMatch",
                C::Refused,
                K::PermissionDenied,
            ),
            (403, "AccessDenied", C::Refused, K::PermissionDenied),
            (401, "", C::Refused, K::PermissionDenied),
            (301, "PermanentRedirect", C::Refused, K::Misconfigured),
            (412, "PreconditionFailed", C::Taken, K::AlreadyExists),
            (409, "BlobAlreadyExists", C::Taken, K::AlreadyExists),
            (
                409,
                "ConditionalRequestConflict",
                C::Conflict,
                K::Unavailable,
            ),
            (429, "TooManyRequests", C::Busy, K::Unavailable),
            (503, "SlowDown", C::Doubt, K::Unavailable),
            (429, "", C::Busy, K::Unavailable),
            (503, "", C::Doubt, K::Unavailable),
            (500, "InternalError", C::Doubt, K::Unavailable),
            (507, "", C::Refused, K::OutOfSpace),
            (413, "", C::Refused, K::TooLarge),
            (416, "InvalidRange", C::NoRange, K::InvalidRange),
            (501, "NotImplemented", C::Refused, K::Unsupported),
            (400, "", C::Refused, K::Unexpected),
        ];
        for (status, code, class, kind) in table {
            assert_eq!(told(status, code), (class, kind), "{status} {code}");
        }
    }

    #[test]
    fn no_answer_about_credentials_is_taken_for_one_about_a_blob() {
        for status in [301, 400, 403, 404, 409, 412, 416] {
            let Trouble { class, kind, .. } =
                of_answer(Answer::new(Peer::Credentials, status, None, ""));
            assert_eq!((class, kind), (C::Refused, K::PermissionDenied), "{status}");
        }
    }
}
