//! Backend errors as `io::Error`.

use std::io;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};

#[test]
fn the_kind_is_kept_and_the_error_can_be_found() {
    for &kind in ErrorKind::ALL {
        let id = ArtifactId::from_bytes([1; 16]);
        let error = io::Error::from(Error::new(kind, Operation::Load).with_id(id));
        let expected = match kind {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::AlreadyExists => io::ErrorKind::AlreadyExists,
            ErrorKind::OutOfSpace => io::ErrorKind::StorageFull,
            ErrorKind::Unavailable => io::ErrorKind::ResourceBusy,
            ErrorKind::TooLarge => io::ErrorKind::FileTooLarge,
            ErrorKind::InvalidRange => io::ErrorKind::InvalidInput,
            ErrorKind::Corrupt => io::ErrorKind::InvalidData,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        assert_eq!(error.kind(), expected, "{kind}");
        let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!((inner.kind(), inner.id()), (kind, Some(id)));
    }
    let late = Error::new(ErrorKind::Unavailable, Operation::Load).with_timed_out();
    assert_eq!(io::Error::from(late).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn the_question_mark_converts() {
    fn fails() -> io::Result<()> {
        Err(Error::new(ErrorKind::Corrupt, Operation::Load))?;
        Ok(())
    }
    let text = fails().unwrap_err().to_string();
    assert_eq!(text, "load: corrupt");
}
