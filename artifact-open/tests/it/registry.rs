//! Schemes that a program registers.

use std::sync::Arc;

use artifact_backend::{ArtifactBackend as _, ArtifactId, Error, ErrorKind, Operation, Result};
use artifact_backend_mem::MemBackend;
use artifact_open::{Backend, BackendOptions, BackendUrl, SchemeRegistry};

/// A registry whose scheme `shelf` opens one shared backend, and fails for `shelf:broken`.
fn registry(shared: &MemBackend) -> SchemeRegistry {
    let shared = shared.clone();
    let opener = move |url: BackendUrl, _options: BackendOptions| {
        let shared = shared.clone();
        async move {
            if url.rest() == Some("broken") {
                let error = Error::new(ErrorKind::Unavailable, Operation::Open);
                return Err(error.with_detail("the shelf is broken"));
            }
            Ok(Backend::new(Arc::new(shared)))
        }
    };
    SchemeRegistry::new().with_scheme("shelf", opener).unwrap()
}

#[tokio::test]
async fn a_registered_scheme_is_opened_by_its_opener() {
    let shared = MemBackend::default();
    let registry = registry(&shared);
    let url = registry.parse("SHELF:Row/7?x=%40#y").unwrap();
    assert_eq!(url.scheme(), "shelf");
    assert_eq!(url.rest(), Some("Row/7?x=%40#y"));
    assert_eq!((url.path(), url.is_memory()), (None, false));
    assert_eq!(url.to_string(), "shelf:Row/7?x=%40#y");
    assert_eq!(registry.parse(&url.to_string()).unwrap(), url);

    let backend = registry
        .open(&url, BackendOptions::default())
        .await
        .unwrap();
    let id = ArtifactId::mint();
    backend.backend().store(id, "hello".into()).await.unwrap();
    assert_eq!(shared.load(id).await.unwrap(), "hello");
    let again = registry.from_url("shelf:").await.unwrap();
    assert_eq!(again.backend().load(id).await.unwrap(), "hello");

    let error = registry.from_url("shelf:broken").await.unwrap_err();
    assert_eq!(error.to_string(), "open: unavailable: the shelf is broken");
}

#[tokio::test]
async fn a_registry_is_not_global() {
    let registry = registry(&MemBackend::default());
    let error = BackendUrl::parse("shelf:x").unwrap_err();
    assert!(error.detail().contains("shelf: is not known"), "{error}");
    let error = SchemeRegistry::new().parse("shelf:x").unwrap_err();
    assert!(error.detail().contains("shelf: is not known"), "{error}");
    // A URL of one registry cannot be opened without it.
    let error = registry.parse("shelf:x").unwrap().open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.detail().contains("SchemeRegistry"), "{error}");
}

#[test]
fn registered_urls_keep_the_rules_of_all_urls() {
    let registry = registry(&MemBackend::default());
    for (text, reason) in [
        ("shelf://user:canary@host", "credentials"),
        ("shelf:canary\n", "control character"),
        ("shelf:canary ", "white space"),
        ("shelve:canary", "shelve: is not known"),
    ] {
        let error = registry.parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}");
        assert!(error.detail().contains(reason), "{text}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
    }
}

#[test]
fn schemes_of_the_crate_and_invalid_schemes_cannot_be_registered() {
    let opener = |_: BackendUrl, _: BackendOptions| async move {
        Result::Ok(Backend::new(Arc::new(MemBackend::default())))
    };
    for (scheme, reason) in [
        ("file", "built in"),
        ("mem", "built in"),
        ("pack", "built in"),
        ("s3", "built in"),
        ("s3a", "built in"),
        ("gs", "built in"),
        ("az", "built in"),
        ("abfss", "built in"),
        ("", "two characters"),
        ("c", "two characters"),
        ("7z", "lower-case letter"),
        ("Shelf", "lower-case"),
        ("a b", "lower-case"),
        ("shelf:", "lower-case"),
        ("ö1", "lower-case"),
    ] {
        let refused = SchemeRegistry::new().with_scheme(scheme, opener);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{scheme}");
        assert!(error.detail().contains(reason), "{scheme}: {error}");
    }
    for scheme in ["zip", "git+ssh", "a1", "x-y.z"] {
        let registry = SchemeRegistry::new().with_scheme(scheme, opener).unwrap();
        assert!(registry.parse(&format!("{scheme}:x")).is_ok(), "{scheme}");
        assert!(format!("{registry:?}").contains(scheme));
    }
}

#[cfg(feature = "mem")]
#[tokio::test]
async fn a_registry_opens_the_schemes_of_the_crate_too() {
    let registry = registry(&MemBackend::default());
    let backend = registry.from_url("mem:").await.unwrap();
    assert_eq!(backend.inventory().store_id().await.unwrap(), None);
    assert_eq!(registry.parse("mem:").unwrap(), "mem:".parse().unwrap());
}
