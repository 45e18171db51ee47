//! The grammar of names.

use artifact_store::{CollectionId, CollectionPath, InvalidCollectionPath};
use proptest::prelude::*;

fn check(text: &str) -> Result<CollectionPath, InvalidCollectionPath> {
    text.parse()
}

#[test]
fn names_are_kept_byte_for_byte() {
    let long = format!("{}/{}", "x".repeat(255), "\u{e9}".repeat(127));
    let deep = vec!["d"; 64].join("/");
    let longest = [
        "y".repeat(255),
        "y".repeat(255),
        "y".repeat(255),
        "y".repeat(255),
    ]
    .join("/")
        + "/";
    let longest = longest.trim_end_matches('/').to_owned();
    for text in [
        "a",
        "a b",
        " ",
        "...",
        "..a",
        "a..",
        ".hidden",
        "%2e%2e",
        "%2F",
        "a/b.c/d",
        "C:",
        "con",
        "-rf",
        "*",
        "a?b#c",
        "\u{202e}gpj",
        "e\u{301}",
        "\u{e9}",
        "\u{ff0f}",
        "\u{2215}",
        "\u{ff0e}\u{ff0e}",
        "\u{10ffff}",
        &long,
        &deep,
        &longest,
    ] {
        let path = check(text).unwrap();
        assert_eq!(path.as_str(), text);
        assert_eq!(path.segments().collect::<Vec<_>>().join("/"), text);
    }
    assert_ne!(check("e\u{301}").unwrap(), check("\u{e9}").unwrap());
}

#[test]
fn other_texts_are_no_names() {
    use InvalidCollectionPath as Invalid;
    let too_long = vec!["x".repeat(205); 5].join("/");
    assert_eq!(too_long.len(), 1_029);
    let deep = vec!["d"; 65].join("/");
    for (text, expected) in [
        ("", Invalid::Length),
        (&too_long, Invalid::Length),
        ("/", Invalid::Segment),
        ("/a", Invalid::Segment),
        ("a/", Invalid::Segment),
        ("a//b", Invalid::Segment),
        (".", Invalid::Segment),
        ("..", Invalid::Segment),
        ("../a", Invalid::Segment),
        ("a/../b", Invalid::Segment),
        ("a/.", Invalid::Segment),
        ("./a", Invalid::Segment),
        ("a\\b", Invalid::Character),
        ("..\\a", Invalid::Character),
        ("a\0", Invalid::Character),
        ("a\nb", Invalid::Character),
        ("a\u{7f}", Invalid::Character),
        ("a\u{85}b", Invalid::Character),
        (&format!("a/{}", "x".repeat(256)), Invalid::SegmentLength),
        (&deep, Invalid::Depth),
    ] {
        assert_eq!(check(text), Err(expected), "{text:?}");
    }
}

/// The rule in other words.
fn is_name(text: &str) -> bool {
    let bad = |c: char| (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) || c == '\\';
    let segments: Vec<_> = text.split('/').collect();
    text.len() <= 1_024
        && segments.len() <= 64
        && !text.chars().any(bad)
        && segments.iter().all(|segment| {
            !segment.is_empty() && segment.len() <= 255 && *segment != "." && *segment != ".."
        })
}

proptest! {
    #[test]
    fn a_text_is_a_name_if_the_rule_says_so(text in prop_oneof![
        any::<String>(),
        "[a./%\\\\\u{e9}\u{1}]{0,12}",
        "(\\.{0,2}[a-c]{0,2}/){0,66}[a.]{0,2}",
        "[ab]{250,260}(/[cd]{250,260}){0,4}",
    ]) {
        let parsed = check(&text);
        prop_assert_eq!(parsed.is_ok(), is_name(&text));
        if let Ok(path) = parsed {
            prop_assert_eq!(path.as_str(), &text);
            // Joined to a folder, it stays below it, and below no other name.
            let joined = std::path::Path::new("/root").join(path.as_str());
            prop_assert!(joined.starts_with("/root"));
            prop_assert!(joined.components().all(|part| part != std::path::Component::ParentDir));
        }
    }

    #[test]
    fn ids_have_one_text(bytes in any::<[u8; 16]>()) {
        let id = CollectionId::from_bytes(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert!(text.to_uppercase().parse::<CollectionId>().is_err());
        let longer = text.clone() + "0";
        prop_assert!(longer.parse::<CollectionId>().is_err());
        prop_assert!(text[1..].parse::<CollectionId>().is_err());
        prop_assert!(text.replacen("col_", "col_+", 1)[..36].parse::<CollectionId>().is_err());
    }
}
