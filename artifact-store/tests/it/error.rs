use std::error::Error as _;

use artifact_store::{ArtifactId, Error, ErrorKind, Operation};

#[test]
fn errors_display_one_layer_without_the_source() {
    let source = std::io::Error::other("the layer below");
    let error = Error::new(ErrorKind::OutOfSpace, Operation::Deposit)
        .with_id(ArtifactId::from_bytes([0xab; 16]))
        .with_detail("the disk is full")
        .with_source(source);
    assert_eq!(
        error.to_string(),
        "deposit of artifact abababababababababababababababab: out of space: the disk is full"
    );
    assert_eq!(error.source().unwrap().to_string(), "the layer below");
}

#[test]
fn only_what_may_change_by_itself_is_retryable() {
    for &kind in ErrorKind::ALL {
        let error = Error::new(kind, Operation::Read);
        assert_eq!(
            error.is_retryable(),
            [ErrorKind::Unavailable, ErrorKind::TooManyInFlight].contains(&kind),
            "{kind}"
        );
        assert_eq!(error.to_string(), format!("read: {kind}"));
    }
}

#[test]
fn the_question_mark_converts_errors_of_backends() {
    use artifact_backend::{Error as BackendError, ErrorKind as BackendKind, Operation as Call};

    fn convert(kind: BackendKind, call: Call) -> artifact_store::Result<()> {
        let id = ArtifactId::from_bytes([0xab; 16]);
        Err(BackendError::new(kind, call).with_id(id))?;
        Ok(())
    }

    for (kind, call, text) in [
        (
            BackendKind::PermissionDenied,
            Call::Open,
            "open backend of artifact X: misconfigured",
        ),
        (
            BackendKind::Misconfigured,
            Call::Probe,
            "open backend of artifact X: misconfigured",
        ),
        (
            BackendKind::NotFound,
            Call::Load,
            "read of artifact X: not found",
        ),
        (
            BackendKind::Ambiguous,
            Call::Commit,
            "deposit of artifact X: unavailable",
        ),
        (
            BackendKind::Corrupt,
            Call::Delete,
            "maintain backend of artifact X: corrupt",
        ),
        (
            BackendKind::Corrupt,
            Call::ReadStoreId,
            "join database and backend of artifact X: corrupt",
        ),
    ] {
        let error = convert(kind, call).unwrap_err();
        let text = text.replace('X', "abababababababababababababababab");
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), ErrorKind::from(kind));
        assert!(
            error
                .source()
                .unwrap()
                .to_string()
                .starts_with(call.as_str())
        );
    }
}
