//! URIs are compared byte for byte: nothing is decoded, trimmed or folded.

use artifact_backend::{ArtifactId, ArtifactUri, ParseIdError, ParseUriError, UriPrefix};
use proptest::prelude::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn uris_consist_of_prefix_and_id() {
    let id: ArtifactId = ID.parse().unwrap();
    let uri = UriPrefix::default().uri(id);
    assert_eq!(uri.to_string(), format!("eden://artifacts/{ID}"));
    assert_eq!(
        format!("{uri:?}"),
        format!("ArtifactUri(eden://artifacts/{ID})")
    );
    assert_eq!(uri.id(), id);
    assert_eq!(uri.prefix().as_str(), UriPrefix::DEFAULT);
    assert_eq!(uri.to_string().parse(), Ok(uri));
}

#[test]
fn texts_without_the_prefix_are_rejected() {
    for text in [
        "",
        "/",
        "//",
        ID,
        "eden:",
        "eden://artifacts",
        "file:///etc/passwd",
        "FILE:",
        "s3:/b/p/../../x",
        "http://169.254.169.254/",
        &format!(" eden://artifacts/{ID}"),
        &format!("\u{feff}eden://artifacts/{ID}"),
        &format!("Eden://artifacts/{ID}"),
        &format!("EDEN://ARTIFACTS/{ID}"),
        &format!("eden:/artifacts/{ID}"),
        &format!("eden://artifacts//../artifacts/{ID}").replace("artifacts//", "artifact//"),
        &format!("eden%3a//artifacts/{ID}"),
        &format!("eden://%61rtifacts/{ID}"),
        &format!("eden://user@artifacts/{ID}"),
        &format!("eden://artifacts:80/{ID}"),
        &format!("eden:///artifacts/{ID}"),
        &format!("eden://аrtifacts/{ID}"),
    ] {
        assert_eq!(
            text.parse::<ArtifactUri>(),
            Err(ParseUriError::Prefix),
            "{text:?}"
        );
    }
}

#[test]
fn texts_without_an_id_after_the_prefix_are_rejected() {
    for (rest, error) in [
        (String::new(), ParseIdError::Length { found: 0 }),
        ("..".into(), ParseIdError::Length { found: 2 }),
        (
            "../../etc/passwd".into(),
            ParseIdError::Length { found: 16 },
        ),
        (format!("/{ID}"), ParseIdError::Length { found: 33 }),
        (format!("{ID}/"), ParseIdError::Length { found: 33 }),
        (format!("{ID} "), ParseIdError::Length { found: 33 }),
        (format!("{ID}\n"), ParseIdError::Length { found: 33 }),
        (format!("{ID}?x"), ParseIdError::Length { found: 34 }),
        (format!("{ID}#x"), ParseIdError::Length { found: 34 }),
        (format!("./{ID}"), ParseIdError::Length { found: 34 }),
        (
            format!("%30{}", &ID[1..]),
            ParseIdError::Length { found: 34 },
        ),
        (ID.to_uppercase(), ParseIdError::UpperCase { at: 10 }),
        (
            ID.replace("01234", "/../x"),
            ParseIdError::NotHex { at: 0, byte: b'/' },
        ),
    ] {
        let found = format!("eden://artifacts/{rest}").parse::<ArtifactUri>();
        assert_eq!(found, Err(ParseUriError::Id(error)), "{rest:?}");
    }
}

#[test]
fn errors_show_one_layer_and_never_the_text() {
    let error = "<script>".parse::<ArtifactUri>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the URI does not begin with this deployment's prefix"
    );
    assert!(std::error::Error::source(&error).is_none());

    let error = "eden://artifacts/<script>"
        .parse::<ArtifactUri>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the text after the prefix is not an artifact id"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "an artifact id has exactly 32 hexadecimal digits, but this text has 8 bytes"
    );
}

#[test]
fn prefixes_are_visible_ascii_and_end_in_a_slash() {
    let longest = format!("{}/", "p".repeat(UriPrefix::MAX_LEN - 1));
    for prefix in [
        "/",
        "a/",
        "eden://artifacts/",
        "urn:x/",
        "https://h:80/a?b=/",
        &longest,
    ] {
        let parsed: UriPrefix = prefix.parse().unwrap();
        assert_eq!(parsed.to_string(), prefix);
        assert_eq!(format!("{parsed:?}"), format!("UriPrefix({prefix})"));
    }
    let too_long = format!("p{longest}");
    for prefix in [
        "",
        "a",
        "eden://artifacts",
        "a b/",
        "a/\n",
        "\0/",
        "é/",
        "/ ",
        "a\u{7f}/",
        &too_long,
    ] {
        let error = UriPrefix::new(prefix).unwrap_err();
        assert!(
            error.to_string().contains("ends in '/'"),
            "{prefix:?}: {error}"
        );
    }
}

#[test]
fn uris_of_another_prefix_are_rejected() {
    let [a, b] = ["a://x/", "a://x/y/"].map(|prefix| UriPrefix::new(prefix).unwrap());
    let id = ArtifactId::mint();
    assert_ne!(a.uri(id), b.uri(id));
    assert_eq!(b.parse(&a.uri(id).to_string()), Err(ParseUriError::Prefix));
    let error = a.parse(&b.uri(id).to_string()).unwrap_err();
    assert_eq!(error, ParseUriError::Id(ParseIdError::Length { found: 34 }));
}

proptest! {
    #[test]
    fn printed_uris_parse_to_themselves(prefix in "[!-~]{0,40}/", bytes: [u8; 16]) {
        let prefix = UriPrefix::new(&prefix).unwrap();
        let uri = prefix.uri(ArtifactId::from_bytes(bytes));
        prop_assert_eq!(prefix.parse(&uri.to_string()), Ok(uri));
    }

    #[test]
    fn printed_uris_equal_the_parsed_text(text in "(eden://artifacts/)?[0-9a-fA-F/%]{31,33}") {
        if let Ok(uri) = text.parse::<ArtifactUri>() {
            prop_assert_eq!(uri.to_string(), text);
        }
    }

    #[test]
    fn invalid_text_never_parses(text in any::<String>()) {
        let id = text.strip_prefix(UriPrefix::DEFAULT);
        let expected = id.is_some_and(|id| id.parse::<ArtifactId>().is_ok());
        prop_assert_eq!(text.parse::<ArtifactUri>().is_ok(), expected);
    }
}
