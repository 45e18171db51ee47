//! What a backend cannot express is refused, and the text says what to do.

use std::error::Error as _;
use std::time::Duration;

use artifact_backend::{ErrorKind as BackendErrorKind, Operation};
use artifact_backend_conformance::Fault;
use artifact_opendal::{ArtifactBuilder, new_path};
use opendal_core::{ErrorKind, Operator, Result};

use crate::{world, written};

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: Result<T>, advice: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(advice), "{error}");
}

#[tokio::test]
async fn writes_that_are_not_exclusive_creates_are_refused() {
    let (_, operator) = world();
    let path = written(&operator, "bytes").await;
    let advice = "if_not_exists(true) with a new path";
    is_refused(operator.write(&path, "other").await, advice);
    is_refused(operator.write(&new_path(), "other").await, advice);
    is_refused(operator.writer(&new_path()).await.map(drop), advice);
    let new = new_path();
    let typed = operator.write_with(&new, "typed");
    let typed = typed.if_not_exists(true).content_type("text/plain");
    is_refused(typed.await, "in a table of your own");
    let append = operator.write_with(&path, "more").append(true).await;
    is_refused(append, "append");
    let again = operator
        .write_with(&path, "other")
        .if_not_exists(true)
        .await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::ConditionNotMatch);
    assert_eq!(operator.read(&path).await.unwrap().to_bytes(), "bytes");
}

#[tokio::test]
async fn copies_renames_folders_and_urls_are_refused() {
    let (_, operator) = world();
    let (path, other) = (written(&operator, "bytes").await, new_path());
    is_refused(operator.copy(&path, &other).await, "copy");
    is_refused(operator.rename(&path, &other).await, "rename");
    is_refused(
        operator.create_dir("reports/").await,
        "there are no folders",
    );
    let url = operator.presign_read(&path, Duration::from_mins(1)).await;
    is_refused(url.map(drop), "presign");
    assert!(!operator.exists(&other).await.unwrap());
}

#[tokio::test]
async fn a_path_that_is_not_an_id_is_refused_for_writes_and_absent_for_reads() {
    let (_, operator) = world();
    let id = new_path();
    let names = [
        "report.csv".to_owned(),
        format!("reports/{id}"),
        format!("{id}/part"),
        format!("{id}0"),
        id[1..].to_owned(),
        "A".repeat(32),
    ];
    for name in names {
        let write = operator.write_with(&name, "bytes").if_not_exists(true);
        is_refused(write.await, "32 lower-case hexadecimal digits");
        let read = operator.read(&name).await.unwrap_err();
        assert_eq!(read.kind(), ErrorKind::NotFound, "{name}");
        let stat = operator.stat(&name).await.unwrap_err();
        assert_eq!(stat.kind(), ErrorKind::NotFound, "{name}");
        operator.delete(&name).await.unwrap();
    }
}

#[tokio::test]
async fn the_error_of_the_backend_is_the_source_and_only_unavailable_is_temporary() {
    let (backend, operator) = world();
    let cases = [
        (BackendErrorKind::Ambiguous, ErrorKind::Unexpected),
        (BackendErrorKind::Unavailable, ErrorKind::Unexpected),
        (
            BackendErrorKind::PermissionDenied,
            ErrorKind::PermissionDenied,
        ),
        (BackendErrorKind::Misconfigured, ErrorKind::ConfigInvalid),
        (BackendErrorKind::OutOfSpace, ErrorKind::Unexpected),
    ];
    for (kind, expected) in cases {
        backend.inject(Fault::before(Operation::Store, kind));
        let path = new_path();
        let write = operator.write_with(&path, "bytes").if_not_exists(true);
        let error = write.await.unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?}");
        assert_eq!(
            error.is_temporary(),
            kind == BackendErrorKind::Unavailable,
            "{kind:?}"
        );
        let source = error.source().unwrap();
        let source = source.downcast_ref::<artifact_backend::Error>().unwrap();
        assert_eq!(source.kind(), kind);
    }
}

#[test]
fn a_builder_without_a_backend_is_refused() {
    let error = Operator::new(ArtifactBuilder::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(
        error.to_string().contains("ArtifactBuilder::new"),
        "{error}"
    );
}
