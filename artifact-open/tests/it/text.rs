//! URLs as text: `FromStr`, `Display` and serde.

use artifact_open::BackendUrl;
use proptest::prelude::*;

/// Asserts that a text parses, and that what `Display` and serde write parses to the same value.
#[cfg_attr(not(any(feature = "fs", feature = "mem")), expect(dead_code))]
fn round_trip(text: &str) -> String {
    let url: BackendUrl = text.parse().unwrap();
    let shown = url.to_string();
    let again: BackendUrl = shown.parse().unwrap();
    // `Path` compares components only.
    let path = |url: &BackendUrl| url.path().map(|path| path.as_os_str().to_owned());
    assert_eq!(
        (&again, path(&again)),
        (&url, path(&url)),
        "{text:?}: {shown}"
    );
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_string(&url).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), shown);
        assert_eq!(serde_json::from_str::<BackendUrl>(&json).unwrap(), url);
    }
    shown
}

#[cfg(feature = "fs")]
#[test]
fn folders_are_shown_as_urls_unless_a_url_cannot_name_them() {
    for (text, shown) in [
        ("/srv/blobs", "file:///srv/blobs"),
        ("/srv/blobs/", "file:///srv/blobs/"),
        ("FILE:/srv/blobs", "file:///srv/blobs"),
        ("file://localhost/srv//blobs", "file:///srv//blobs"),
        ("file:////srv", "file:////srv"),
        ("/srv/a b", "file:///srv/a%20b"),
        ("/srv/%41?#", "file:///srv/%2541%3F%23"),
        ("/srv/ü", "file:///srv/%C3%BC"),
        ("/srv/a:b@c", "file:///srv/a:b@c"),
        ("file:///srv/a%5Cb%85", ""),
        ("/srv/../blobs", "/srv/../blobs"),
        ("/", "file:///"),
    ] {
        if shown.is_empty() {
            // %85 alone is not UTF-8.
            assert!(text.parse::<BackendUrl>().is_err(), "{text}");
        } else {
            assert_eq!(round_trip(text), shown);
        }
    }
    assert_eq!(round_trip("file:///srv/a%5Cb"), "file:///srv/a%5Cb");
    let here = std::env::current_dir().unwrap();
    assert_eq!(round_trip("a"), format!("file://{}/a", here.display()));
}

#[cfg(feature = "mem")]
#[test]
fn memory_is_shown_as_mem() {
    assert_eq!(round_trip("MEM:"), "mem:");
}

#[cfg(feature = "s3")]
#[test]
fn buckets_are_shown_with_the_main_name_of_their_scheme() {
    assert_eq!(round_trip("S3A://bucket/a/b/"), "s3://bucket/a/b");
    assert_eq!(round_trip("s3://bucket"), "s3://bucket");
}

proptest! {
    #[cfg(feature = "fs")]
    #[test]
    fn every_path_that_parses_is_shown_as_a_text_that_parses_to_it(
        text in r#"(\./|/|\.\./|file://+|)[a-z ~.:@?#%\\ü�/&+'"=]{0,12}"#
    ) {
        if text.parse::<BackendUrl>().is_ok() {
            round_trip(&text);
        }
    }

    #[cfg(feature = "fs")]
    #[test]
    fn every_path_survives_its_url(names in prop::collection::vec("[^/\\x00-\\x1f\\x7f]{1,8}", 1..4)) {
        let path = format!("/{}", names.join("/"));
        prop_assume!(!names.iter().any(|name| name == "." || name == ".."));
        let encoded: String = path
            .bytes()
            .map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") })
            .collect();
        let url: BackendUrl = format!("file://{encoded}").parse().unwrap();
        prop_assert_eq!(url.path().unwrap().to_str().unwrap(), &path);
        round_trip(&url.to_string());
    }

    #[cfg(feature = "s3")]
    #[test]
    fn every_bucket_survives_its_text(
        scheme in "s3|S3|s3a",
        bucket in "[a-z0-9][a-z0-9._-]{2,20}",
        prefix in "(/[A-Za-z0-9._=+-]{1,6}){0,4}/?",
    ) {
        let text = format!("{scheme}://{bucket}{prefix}");
        if text.parse::<BackendUrl>().is_ok() {
            round_trip(&text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        if let Ok(url) = text.parse::<BackendUrl>() {
            prop_assert_eq!(url.to_string().parse::<BackendUrl>().unwrap(), url);
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn texts_that_do_not_parse_are_refused_by_serde_with_the_same_message() {
    let text = "\"http://example\"";
    let error = serde_json::from_str::<BackendUrl>(text).unwrap_err();
    assert!(error.to_string().contains("http: is not known"), "{error}");
}

#[cfg(all(feature = "serde", feature = "fs", unix))]
#[test]
fn a_folder_whose_name_is_not_utf_8_cannot_be_serialized() {
    use std::os::unix::ffi::OsStrExt as _;

    // Only the current folder can have such a name. A child process has its own.
    if std::env::var_os("ARTIFACT_TEST_CHILD").is_some() {
        let url: BackendUrl = "blobs".parse().unwrap();
        let error = serde_json::to_string(&url).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    std::fs::create_dir(&odd).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "text::a_folder_whose_name_is_not_utf_8_cannot_be_serialized",
        ])
        .env("ARTIFACT_TEST_CHILD", "1")
        .current_dir(&odd)
        .status();
    assert!(status.unwrap().success());
}
