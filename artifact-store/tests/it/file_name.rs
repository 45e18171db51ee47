use artifact_store::FileName;
use proptest::prelude::*;

#[test]
fn the_last_component_is_kept_without_unsafe_characters() {
    let cases = [
        ("report.pdf", Some("report.pdf")),
        ("../../etc/passwd", Some("passwd")),
        ("..\\..\\boot.ini", Some("boot.ini")),
        ("/a\\b/c\\d.txt", Some("d.txt")),
        ("a\r\nb\0c", Some("abc")),
        ("  spaced name.txt ", Some("spaced name.txt")),
        ("gpj.\u{202e}exe", Some("gpj.exe")),
        ("a\u{61c}\u{200e}\u{200f}\u{2066}\u{2069}b", Some("ab")),
        ("a\u{2028}\u{2029}\u{85}b", Some("ab")),
        ("naïve \"quoted\".txt", Some("naïve \"quoted\".txt")),
        ("...", Some("...")),
        ("", None),
        (".", None),
        ("..", None),
        (".\u{202a}.", None),
        (" .. ", None),
        ("folder/", None),
        ("\u{200f}", None),
    ];
    for (given, expected) in cases {
        let clean = FileName::clean(given);
        assert_eq!(clean.as_ref().map(FileName::as_str), expected, "{given:?}");
    }
}

#[test]
fn long_names_are_truncated_between_characters() {
    let name = FileName::clean(&"é".repeat(200)).unwrap();
    assert_eq!(name.as_str(), "é".repeat(127));
    let name = FileName::clean(&"x".repeat(64 << 10)).unwrap();
    assert_eq!(name.as_str(), "x".repeat(255));
}

proptest! {
    #[test]
    fn cleaned_names_are_safe_path_components(
        given in "(?s).{0,300}|[./\\\\ \u{202a}-\u{202e}\u{2066}-\u{2069}\u{200e}\u{200f}\u{61c}ab\0\n]{0,40}"
    ) {
        if let Some(name) = FileName::clean(&given) {
            let text = name.as_str();
            prop_assert!((1..=255).contains(&text.len()));
            prop_assert!(text != "." && text != "..");
            prop_assert_eq!(text.trim(), text);
            let harmful = |c: char| c.is_control() || matches!(
                c,
                '/' | '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}'
                    | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            );
            prop_assert!(!text.contains(harmful));
            prop_assert_eq!(FileName::clean(text), Some(name.clone()));
        }
    }
}
