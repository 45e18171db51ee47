//! The options of every scheme exist in every build, and reach the backend.

use artifact_backend::ErrorKind;
use artifact_open::{Backend, BackendOptions, BackendUrl, BucketCredentials};

fn all_options() -> BackendOptions {
    let mut options = BackendOptions::default();
    options.fs = options.fs.with_max_concurrent_writes(3);
    options.mem = options.mem.with_max_total_bytes(4);
    options.bucket.endpoint = Some("http://127.0.0.1:9".to_owned());
    options.bucket.region = Some("eu-central-1".to_owned());
    options.bucket.path_style = Some(true);
    options.bucket.allow_http = true;
    options.bucket.credentials = Some(BucketCredentials::access_key("named", "canary"));
    options.s3 = options.s3.with_part_bytes(5 << 20);
    options
}

#[test]
fn debug_output_of_the_options_hides_secrets() {
    let text = format!("{:?}", all_options());
    assert!(text.contains("named") && !text.contains("canary"), "{text}");
}

/// Parses and opens, as a program with a URL from its settings does.
async fn open(text: &str) -> artifact_backend::Result<Backend> {
    BackendUrl::parse(text)?.open_with(all_options()).await
}

#[tokio::test]
async fn a_scheme_that_the_build_lacks_is_refused_with_the_name_of_its_feature() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let packed = format!("pack://{}", folder.path().join("packed").display());
    for (text, feature, built_in) in [
        (path.to_str().unwrap(), "fs", cfg!(feature = "fs")),
        ("mem:", "mem", cfg!(feature = "mem")),
        (&packed, "pack", cfg!(feature = "pack")),
        ("s3://bucket/prefix", "s3", cfg!(feature = "s3")),
        ("gs://bucket/prefix", "gcs", cfg!(feature = "gcs")),
        ("az://container/prefix", "azure", cfg!(feature = "azure")),
    ] {
        match open(text).await {
            Ok(_) => assert!(built_in, "{text}"),
            Err(error) if built_in => {
                // Google and Azure refuse the credentials, which are those of S3.
                assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}: {error}");
                assert!(error.detail().starts_with(text), "{text}: {error}");
                assert!(
                    error.detail().contains("another provider"),
                    "{text}: {error}"
                );
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
                let name = format!("feature `{feature}`");
                assert!(error.detail().contains(&name), "{text}: {error}");
            }
        }
    }
}

#[cfg(feature = "mem")]
#[tokio::test]
async fn the_options_of_memory_limit_its_blobs() {
    use artifact_backend::{ArtifactBackend as _, ArtifactId};

    let backend = open("mem:").await.unwrap().backend();
    let store = |text: &'static str| backend.store(ArtifactId::mint(), text.into());
    store("four").await.unwrap();
    assert_eq!(store("x").await.unwrap_err().kind(), ErrorKind::OutOfSpace);
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn the_options_of_a_bucket_reach_its_backend() {
    let mut options = all_options();
    options.s3 = options.s3.with_part_bytes(1);
    let url: BackendUrl = "s3://bucket/prefix".parse().unwrap();
    let error = url.open_with(options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "open: misconfigured: s3://bucket/prefix: the part size must be from 5 MiB to 5 GiB"
    );
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn errors_of_opening_a_folder_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/blobs");
    let error = open(path.to_str().unwrap()).await.unwrap_err();
    let path = path.display().to_string();
    assert!(error.detail().contains(&path), "{error}");
}
