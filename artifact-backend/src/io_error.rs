//! Backend errors as errors of `std::io`.

use std::io;

use crate::error::{Error, ErrorKind};

/// Wraps the error, which [`io::Error::get_ref`] then returns, so that `downcast_ref::<Error>()` finds it.
///
/// The kind of the result is the one that comes closest. No kind is `Interrupted` or `WouldBlock`, which `std` retries.
/// [`Ambiguous`](ErrorKind::Ambiguous) is `Other`.
///
/// ```
/// use std::io;
///
/// use artifact_backend::{Error, ErrorKind, Operation};
///
/// let error = io::Error::from(Error::new(ErrorKind::NotFound, Operation::Load));
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
/// assert_eq!(inner.map(Error::operation), Some(Operation::Load));
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::AlreadyExists => io::ErrorKind::AlreadyExists,
            ErrorKind::Unavailable if error.has_timed_out() => io::ErrorKind::TimedOut,
            ErrorKind::Unavailable => io::ErrorKind::ResourceBusy,
            ErrorKind::OutOfSpace => io::ErrorKind::StorageFull,
            ErrorKind::TooLarge => io::ErrorKind::FileTooLarge,
            ErrorKind::InvalidRange => io::ErrorKind::InvalidInput,
            ErrorKind::Corrupt => io::ErrorKind::InvalidData,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Ambiguous | ErrorKind::Misconfigured | ErrorKind::Unexpected => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}
