use artifact_store::ContentType;
use proptest::prelude::*;

#[test]
fn declared_types_are_kept_without_unsafe_characters() {
    let long = format!("text/{}", "x".repeat(250));
    let too_long = format!("text/{}", "x".repeat(251));
    let cases = [
        ("application/gzip", "application/gzip"),
        ("text/html; charset=utf-7", "text/html; charset=utf-7"),
        ("Text/PLAIN", "Text/PLAIN"),
        ("  text/plain \t", "text/plain"),
        ("text/plain\r\nSet-Cookie: a=b", "text/plainSet-Cookie: a=b"),
        ("text\0/plain\x7f", "text/plain"),
        ("téxt/plain\u{202e}", "txt/plain"),
        ("", "application/octet-stream"),
        (" \r\n ", "application/octet-stream"),
        ("éé", "application/octet-stream"),
        (&long, &long),
        (&too_long, "application/octet-stream"),
    ];
    for (declared, expected) in cases {
        assert_eq!(
            ContentType::clean(declared).as_str(),
            expected,
            "{declared:?}"
        );
    }
}

proptest! {
    #[test]
    fn content_types_are_safe_in_headers(declared in "(?s).{0,300}") {
        let clean = ContentType::clean(&declared);
        let text = clean.as_str();
        prop_assert!((1..=255).contains(&text.len()));
        prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        prop_assert_eq!(text.trim(), text);
        prop_assert_eq!(&ContentType::clean(text), &clean);
    }
}
