//! Errors show one layer in `Display` and the layer below in `source`.

use std::error::Error as _;
use std::io;

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Operation};

const ID: ArtifactId = ArtifactId::from_bytes([0xab; 16]);

/// Golden: operators search logs for these words.
#[test]
fn every_kind_has_a_message() {
    let lines: Vec<_> = ErrorKind::ALL
        .iter()
        .map(|kind| Error::new(*kind, Operation::Load).with_id(ID).to_string())
        .collect();
    let prefix = "load of artifact abababababababababababababababab: ";
    let words = [
        "not found",
        "already exists",
        "outcome unknown",
        "unavailable",
        "out of space",
        "too large",
        "range not satisfiable",
        "corrupt",
        "permission denied",
        "misconfigured",
        "unsupported",
        "unexpected failure",
    ];
    assert_eq!(lines, words.map(|words| format!("{prefix}{words}")));
    let all: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(all, words);
}

#[test]
fn every_operation_has_its_word() {
    let operations = [
        (Operation::Open, "open"),
        (Operation::Store, "store"),
        (Operation::Upload, "upload"),
        (Operation::Write, "write"),
        (Operation::Commit, "commit"),
        (Operation::Abort, "abort"),
        (Operation::Load, "load"),
        (Operation::Download, "download"),
        (Operation::List, "list"),
        (Operation::Stat, "stat"),
        (Operation::Delete, "delete"),
        (Operation::Sweep, "sweep"),
        (Operation::ReadStoreId, "read store id"),
        (Operation::CreateStoreId, "create store id"),
        (Operation::Probe, "probe"),
    ];
    for (operation, word) in operations {
        let error = Error::new(ErrorKind::Unavailable, operation);
        assert_eq!(error.to_string(), format!("{word}: unavailable"));
        assert_eq!(error.operation(), operation);
        assert_eq!(format!("{operation:>9}|"), format!("{word:>9}|"));
    }
}

#[test]
fn display_shows_one_layer_and_source_the_next() {
    let below = io::Error::other("the disk is on fire");
    let error = Error::new(ErrorKind::Unavailable, Operation::Store)
        .with_id(ID)
        .with_detail("cannot write the staging file")
        .with_source(below);
    assert_eq!(
        error.to_string(),
        "store of artifact abababababababababababababababab: unavailable: \
         cannot write the staging file"
    );
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "the disk is on fire");
    assert!(source.downcast_ref::<io::Error>().is_some());
    assert!(source.source().is_none());
}

#[test]
fn errors_return_their_fields() {
    let error = Error::new(ErrorKind::Corrupt, Operation::Stat);
    assert_eq!(
        (error.id(), error.detail(), error.blob_size()),
        (None, "", None)
    );
    assert!(error.source().is_none());
    let error = error.with_id(ID).with_detail(String::from("two links"));
    assert_eq!((error.id(), error.detail()), (Some(ID), "two links"));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn invalid_range_errors_carry_the_size_of_the_blob() {
    let range = ByteRange::From(9).resolve(7).unwrap_err();
    let error = Error::invalid_range(Operation::Download, ID, range);
    assert_eq!(error.kind(), ErrorKind::InvalidRange);
    assert_eq!((error.id(), error.blob_size()), (Some(ID), Some(7)));
    assert_eq!(
        error.to_string(),
        "download of artifact abababababababababababababababab: range not satisfiable: \
         the range holds no byte of a blob of 7 bytes"
    );
}

#[test]
fn only_unavailable_errors_are_retryable() {
    let retryable: Vec<_> = ErrorKind::ALL
        .iter()
        .copied()
        .filter(|kind| Error::new(*kind, Operation::Store).is_retryable())
        .collect();
    assert_eq!(retryable, [ErrorKind::Unavailable]);
}

#[test]
fn debug_shows_every_field() {
    let error = Error::new(ErrorKind::TooLarge, Operation::Write)
        .with_id(ID)
        .with_detail("the cap is 5")
        .with_source("below");
    assert_eq!(
        format!("{error:?}"),
        "Error { kind: TooLarge, operation: Write, context: BlobContext { \
         id: Some(ArtifactId(abababababababababababababababab)), blob_size: None }, \
         detail: \"the cap is 5\", source: Some(\"below\") }"
    );
}

#[test]
fn errors_are_one_pointer_wide_and_send() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
