use artifact_store::ExperimentId;
use proptest::prelude::*;

#[test]
fn experiment_ids_are_1_to_128_unreserved_characters() {
    for good in ["a", "A-Z_0.9~", "...", "-", &"x".repeat(128)] {
        let id: ExperimentId = good.parse().unwrap();
        assert_eq!(id.as_str(), good);
        assert_eq!(id.to_string(), good);
    }
}

#[test]
fn invalid_experiment_ids_are_rejected() {
    let long = "x".repeat(129);
    let bad = [
        "", ".", "..", "a/b", "a\\b", "a b", " a", "a%2e", "a\0", "a\r\n", "é", "\u{ff10}", "a:b",
        "a?b", "a#b", "a@b", "a+b", &long,
    ];
    for text in bad {
        let error = text.parse::<ExperimentId>().unwrap_err();
        assert!(error.to_string().contains("1 to 128"), "{text:?}");
    }
}

proptest! {
    #[test]
    fn experiment_ids_print_as_they_were_parsed(text in "\\PC{0,140}|[a-z0-9._~-]{1,130}") {
        if let Ok(id) = text.parse::<ExperimentId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"/\\%?#:@".contains(&b)));
        }
    }
}
