use artifact_backend::ErrorKind;
use artifact_open::BackendUrl;

fn refused(text: &str) -> (ErrorKind, String) {
    let error = BackendUrl::parse(text).unwrap_err();
    (error.kind(), error.detail().to_owned())
}

#[cfg(feature = "fs")]
#[test]
fn folders_are_parsed_from_urls_and_paths() {
    use std::path::Path;

    let here = std::env::current_dir().unwrap();
    let cases = [
        ("file:///srv/blobs", Path::new("/srv/blobs").to_owned()),
        ("file:///srv/blobs/", "/srv/blobs/".into()),
        ("FILE:///srv/blobs", "/srv/blobs".into()),
        ("file:/srv/blobs", "/srv/blobs".into()),
        ("file://localhost/srv/blobs", "/srv/blobs".into()),
        ("file:///srv/a%20b", "/srv/a b".into()),
        ("file:///srv/a b", "/srv/a b".into()),
        ("file:///srv/%C3%BC%23%3f", "/srv/ü#?".into()),
        // The path is decoded only once.
        ("file:///srv/%252e%252e%252f", "/srv/%2e%2e%2f".into()),
        ("file:///srv/user@host", "/srv/user@host".into()),
        ("/srv/blobs", "/srv/blobs".into()),
        // A bare path is not decoded.
        ("/srv/%41?#", "/srv/%41?#".into()),
        ("/srv/../blobs", "/srv/../blobs".into()),
        ("blobs", here.join("blobs")),
        ("./blobs", here.join("blobs")),
        ("../blobs", here.join("../blobs")),
        (".", here.clone()),
        ("./s3:x", here.join("s3:x")),
        ("./~", here.join("~")),
        ("a@b", here.join("a@b")),
        ("mem", here.join("mem")),
    ];
    for (text, expected) in cases {
        let url = BackendUrl::parse(text).unwrap();
        assert_eq!(
            url.path().map(Path::as_os_str),
            Some(expected.as_os_str()),
            "{text}"
        );
    }
}

#[cfg(feature = "mem")]
#[test]
fn memory_urls_have_no_path() {
    assert_eq!(BackendUrl::parse("mem:").unwrap().path(), None);
    assert_eq!(BackendUrl::parse("MEM:").unwrap().path(), None);
}

#[test]
fn invalid_backend_urls_are_rejected_with_a_reason() {
    use ErrorKind::Misconfigured;
    let cases = [
        ("", Misconfigured, "empty"),
        (" /srv", Misconfigured, "white space"),
        ("/srv\n", Misconfigured, "control character"),
        ("/srv\0x", Misconfigured, "control character"),
        ("~", Misconfigured, "shell"),
        ("~/blobs", Misconfigured, "shell"),
        ("~user/blobs", Misconfigured, "shell"),
        ("C:\\blobs", Misconfigured, "drive letter"),
        ("c:/blobs", Misconfigured, "drive letter"),
        ("\\\\server\\share", Misconfigured, "backslash"),
        ("..\\blobs", Misconfigured, "backslash"),
        ("file:", Misconfigured, "no path"),
        ("file://", Misconfigured, "no path"),
        ("file:relative", Misconfigured, "relative"),
        ("file:./relative", Misconfigured, "relative"),
        ("file:../relative", Misconfigured, "relative"),
        ("file://relative", Misconfigured, "three slashes"),
        ("file://host/srv", Misconfigured, "three slashes"),
        ("file://./srv", Misconfigured, "three slashes"),
        ("file://host:80/srv", Misconfigured, "three slashes"),
        ("file:///srv?x", Misconfigured, "query"),
        ("file:///srv#x", Misconfigured, "fragment"),
        ("file:///srv/../etc", Misconfigured, ".."),
        ("file:///srv/%2e%2e/etc", Misconfigured, ".."),
        ("file:///srv/./etc", Misconfigured, ".."),
        ("file:///srv/%2e/etc", Misconfigured, ".."),
        ("file:///srv/..%2fetc", Misconfigured, "encoded slash"),
        ("file:///srv/%00", Misconfigured, "encoded slash or control"),
        (
            "file:///srv/%0d%0a",
            Misconfigured,
            "encoded slash or control",
        ),
        ("file:///srv/%", Misconfigured, "%25"),
        ("file:///srv/%4", Misconfigured, "%25"),
        ("file:///srv/%+1", Misconfigured, "%25"),
        ("file:///srv/%zz", Misconfigured, "%25"),
        ("file:///srv/%ff", Misconfigured, "UTF-8"),
        ("file:///srv\\blobs", Misconfigured, "backslash"),
        ("mem:x", Misconfigured, "nothing may follow"),
        ("mem://", Misconfigured, "nothing may follow"),
        ("://x", Misconfigured, "not a scheme"),
        ("1s3://bucket", Misconfigured, "not a scheme"),
        (
            "http://169.254.169.254/",
            Misconfigured,
            "http: is not known",
        ),
        ("sqlite:///srv/rows", Misconfigured, "sqlite: is not known"),
        (
            "blobs:here",
            Misconfigured,
            "use file:, mem:, pack:, s3:, gs: or az:",
        ),
        ("abfss://container", Misconfigured, "az://container"),
        ("s3://key:secret@bucket", Misconfigured, "credentials"),
    ];
    for (text, kind, reason) in cases {
        let (found, detail) = refused(text);
        assert_eq!(found, kind, "{text:?}: {detail}");
        assert!(detail.contains(reason), "{text:?}: {detail}");
    }
}

#[test]
fn bucket_urls_need_their_feature_and_grammar() {
    for (url, feature, built_in) in [
        ("s3://bucket/some/prefix", "s3", cfg!(feature = "s3")),
        ("S3://bucket", "s3", cfg!(feature = "s3")),
        ("gs://bucket/", "gcs", cfg!(feature = "gcs")),
        ("az://container/p", "azure", cfg!(feature = "azure")),
    ] {
        if built_in {
            assert_eq!(BackendUrl::parse(url).unwrap().path(), None, "{url}");
            continue;
        }
        let (kind, detail) = refused(url);
        assert_eq!(kind, ErrorKind::Unsupported, "{url}");
        assert!(detail.ends_with(&format!("`{feature}`")), "{url}: {detail}");
    }
    if cfg!(feature = "s3") {
        for bad in [
            "s3:/b/p/../../x",
            "s3:bucket",
            "s3://",
            "s3://Bucket",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket/a%2fb",
            "s3://bucket?region=x",
        ] {
            assert_eq!(refused(bad).0, ErrorKind::Misconfigured, "{bad}");
        }
    }
}

#[test]
fn errors_never_repeat_secrets_in_urls() {
    for text in [
        "s3://key:canary@bucket/prefix",
        "s3://bucket/prefix?secret=canary",
        "s3://key:can/canary@bucket",
        "file://user:canary@host/srv",
        "file://canary/srv",
        "file:///srv?token=canary",
        "file:///srv/%zz/canary",
        "http://user:canary@host/",
        "unknown://canary@host/",
        "user:canary@host",
        "~canary",
        "canary\\",
        "mem:canary",
    ] {
        let error = BackendUrl::parse(text).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{text}: {error}"
        );
    }
}

#[test]
fn errors_for_missing_backends_name_the_feature() {
    for (text, feature, there) in [
        ("file:///srv", "fs", cfg!(feature = "fs")),
        ("/srv", "fs", cfg!(feature = "fs")),
        ("mem:", "mem", cfg!(feature = "mem")),
        ("pack:///srv", "pack", cfg!(feature = "pack")),
    ] {
        match BackendUrl::parse(text) {
            Ok(_) => assert!(there, "{text}"),
            Err(error) => {
                assert!(!there, "{text}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(
                    error.detail().contains(&format!("feature `{feature}`")),
                    "{error}"
                );
            }
        }
    }
}

#[cfg(feature = "mem")]
#[tokio::test]
async fn one_backend_serves_requests_and_maintenance() {
    use artifact_backend::{ArtifactBackend as _, ArtifactId};
    use artifact_open::Backend;

    let backend = Backend::from_url("mem:").await.unwrap();
    let id = ArtifactId::mint();
    backend.backend().store(id, "hello".into()).await.unwrap();
    assert_eq!(backend.inventory().stat(id).await.unwrap().size, 5);
    assert_eq!(backend.inventory().load(id).await.unwrap(), "hello");
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn parsing_creates_nothing_and_opening_does() {
    use artifact_backend::{ArtifactBackend as _, ArtifactId};
    use artifact_open::Backend;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("blobs");
    let text = format!("file://{}", root.display());
    let url = BackendUrl::parse(&text).unwrap();
    assert!(!root.exists());
    let id = ArtifactId::mint();
    let backend = url.open().await.unwrap();
    backend.backend().store(id, "hello".into()).await.unwrap();
    assert!(root.is_dir());

    // The same folder as a bare path.
    let again = Backend::from_url(root.to_str().unwrap()).await.unwrap();
    assert_eq!(again.backend().load(id).await.unwrap(), "hello");
}

#[cfg(all(feature = "pack", unix, not(artifact_not_unix)))]
#[tokio::test]
async fn folders_of_segments_are_opened_by_their_own_scheme() {
    use artifact_backend::{ArtifactBackend as _, ArtifactId};

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("small blobs");
    let text = format!("pack://{}", root.display().to_string().replace(' ', "%20"));
    let url = BackendUrl::parse(&text).unwrap();
    assert_eq!(url.to_string(), text);
    assert_eq!((url.scheme(), url.path()), ("pack", Some(&*root)));
    let id = ArtifactId::mint();
    let backend = url.open().await.unwrap();
    backend.backend().store(id, "hello".into()).await.unwrap();
    assert!(root.join("segments").is_dir());
    backend.close().await;
    drop(backend);
    let again = url.open().await.unwrap();
    assert_eq!(again.backend().load(id).await.unwrap(), "hello");
    drop(again);
    // A folder of segments is not taken for a folder of blobs.
    let url = BackendUrl::parse(root.to_str().unwrap()).unwrap();
    assert_ne!(url, BackendUrl::parse(&text).unwrap());
    if cfg!(feature = "fs") {
        let error = url.open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    }
}
