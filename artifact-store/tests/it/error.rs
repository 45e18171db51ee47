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
fn only_unavailable_is_retryable() {
    for kind in ErrorKind::ALL {
        let error = Error::new(kind, Operation::Read);
        assert_eq!(
            error.is_retryable(),
            kind == ErrorKind::Unavailable,
            "{kind}"
        );
        assert_eq!(error.to_string(), format!("read: {kind}"));
    }
}
