//! The grammars of ids, names and stored credentials.

use std::collections::HashSet;

use std::collections::BTreeMap;

use artifact_store::{
    CredentialHash, DisplayName, GroupId, Labels, MemberId, PrincipalId, WorkerId,
};
use proptest::prelude::*;

use crate::support::WORKER;

#[test]
fn minted_ids_are_valid_and_unique() {
    let mut seen = HashSet::new();
    let mut digits = HashSet::new();
    for _ in 0..1000 {
        let (worker, group) = (WorkerId::mint(), GroupId::mint());
        for (text, prefix) in [(worker.to_string(), "wkr_"), (group.to_string(), "grp_")] {
            let rest = text.strip_prefix(prefix).unwrap();
            assert_eq!(rest.len(), 26, "{text}");
            // The first digit of a ULID is at most 7, because an id has 128 bits.
            assert!(
                ('0'..='7').contains(&rest.chars().next().unwrap()),
                "{text}"
            );
            digits.extend(rest.chars());
            assert!(seen.insert(rest.to_owned()), "{text} came twice");
        }
        assert_eq!(worker.to_string().parse(), Ok(worker));
        assert_eq!(group.to_string().parse(), Ok(group));
        assert_eq!(worker.as_str().parse(), Ok(MemberId::Worker(worker)));
        assert_eq!(group.as_str().parse(), Ok(MemberId::Group(group)));
        assert_eq!(PrincipalId::from(worker).as_str(), worker.as_str());
    }
    let mut digits: Vec<_> = digits.into_iter().collect();
    digits.sort_unstable();
    let digits: String = digits.into_iter().collect();
    assert_eq!(digits, "0123456789abcdefghjkmnpqrstvwxyz");
}

#[test]
fn ids_are_a_prefix_and_26_digits() {
    let digits = &WORKER[4..];
    assert!(format!("wkr_{digits}").parse::<WorkerId>().is_ok());
    assert!(format!("grp_{digits}").parse::<GroupId>().is_ok());
    for text in [
        format!("grp_{digits}"),
        format!("WKR_{digits}"),
        format!("wkr_{}", digits.to_uppercase()),
        format!("wkr_{}", &digits[1..]),
        format!("wkr_{digits}0"),
        format!("wkr_i{}", &digits[1..]),
        format!("wkr_l{}", &digits[1..]),
        format!("wkr_o{}", &digits[1..]),
        format!("wkr_u{}", &digits[1..]),
        format!("wkr_é{}", &digits[2..]),
        format!(" wkr_{}", &digits[1..]),
        String::new(),
        "admin".to_owned(),
    ] {
        assert!(text.parse::<WorkerId>().is_err(), "{text}");
        let said = text.parse::<WorkerId>().unwrap_err().to_string();
        // The message names administrators.
        let is_word = text.is_empty() || text == "admin";
        assert!(is_word || !said.contains(&text), "{said}");
    }
}

#[test]
fn names_are_kept_unchanged() {
    let longest = "𝔘".repeat(128);
    for text in [
        "a",
        "Köln 7",
        "two  spaces",
        "🦀 of \u{200d} joined",
        "가",
        "line\u{2028}separator",
        "admin",
        longest.as_str(),
    ] {
        assert_eq!(text.parse::<DisplayName>().unwrap().as_str(), text);
    }
}

#[test]
fn invalid_names_are_rejected_with_the_rule() {
    for (text, rule) in [
        ("", "is empty"),
        (" a", "white space"),
        ("a ", "white space"),
        ("a\n", "white space"),
        ("\u{a0}a", "white space"),
        ("a\u{3000}", "white space"),
        (" ", "white space"),
        ("a\u{0}b", "control"),
        ("a\u{7f}b", "control"),
        ("a\u{85}b", "control"),
        ("a\u{e000}", "private-use"),
        ("\u{10fffd}", "private-use"),
        ("a\u{378}", "unassigned"),
        ("\u{ffff}", "unassigned"),
        ("\u{10ffff}", "unassigned"),
        ("Ko\u{308}ln", "form C"),
        ("\u{212b}", "form C"),
        ("\u{1100}\u{1161}", "form C"),
        ("x".repeat(129).as_str(), "more than 128"),
        ("𝔘".repeat(129).as_str(), "more than 128"),
        ("x".repeat(1 << 20).as_str(), "more than 128"),
    ] {
        let said = text.parse::<DisplayName>().unwrap_err().to_string();
        let (broken, _) = said.split_once(';').unwrap();
        assert!(broken.contains(rule), "{text:?}: {said}");
    }
}

#[test]
fn reserved_names_are_compared_letter_for_letter() {
    let name = |text: &str| text.parse::<DisplayName>().unwrap();
    for text in ["admin", "system", "internal"] {
        assert!(name(text).is_reserved_for_workers(), "{text}");
        assert!(!name(text).is_reserved_for_groups(), "{text}");
    }
    for text in ["admins", "orchestrators"] {
        assert!(name(text).is_reserved_for_groups(), "{text}");
        assert!(!name(text).is_reserved_for_workers(), "{text}");
    }
    for text in ["Admin", "admin2", "Admins", "adm\u{456}ns", "orchestrator"] {
        assert!(!name(text).is_reserved_for_workers(), "{text}");
        assert!(!name(text).is_reserved_for_groups(), "{text}");
    }
}

#[test]
fn stored_credentials_are_argon2id_and_never_printed() {
    let phc = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$canary";
    let hash: CredentialHash = phc.parse().unwrap();
    assert_eq!(hash.as_phc(), phc);
    assert!(!format!("{hash:?}").contains("canary"));
    for text in [
        "canary",
        "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$canary",
        "$argon2id$canary canary",
        "$argon2id$canary\n",
        &format!("$argon2id${}", "x".repeat(255)),
    ] {
        let error = text.parse::<CredentialHash>().unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn labels_are_kept_as_json_without_nul() {
    let map = [("k", "v"), ("", ""), ("a\0b", "\u{0}\"\\ü")];
    let map = map.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = Labels::try_from(BTreeMap::from(map)).unwrap();
    let json = labels.to_json();
    assert!(!json.contains('\0'), "{json}");
    assert_eq!(Labels::from_json(&json).unwrap(), labels);
    for text in ["", "[]", "{\"a\":1}", "null", "{} x"] {
        assert!(Labels::from_json(text).is_err(), "{text}");
    }
}

#[test]
fn labels_have_64_entries_and_4_kib_at_most() {
    let map = |entries: usize, bytes: usize| {
        // The keys are two bytes of text, and one of them a character of two bytes.
        let keys = (0..entries).map(|n| {
            if n == 0 {
                "ä".to_owned()
            } else {
                format!("{n:02}")
            }
        });
        let mut map: BTreeMap<_, _> = keys.map(|key| (key, String::new())).collect();
        map.insert("ä".to_owned(), "v".repeat(bytes - 2 * entries));
        map
    };
    for (entries, bytes, message) in [
        (1, 4096, None),
        (64, 4096, None),
        (64, 128, None),
        (65, 130, Some("a worker has at most 64 labels, not 65")),
        (
            1,
            4097,
            Some(
                "the keys and values of a worker's labels have at most 4096 bytes in all, not 4097",
            ),
        ),
    ] {
        let map = map(entries, bytes);
        let labels = Labels::try_from(map.clone()).map_err(|error| error.to_string());
        let expected = message.map_or(Ok(&map), Err);
        let found = labels
            .as_ref()
            .map(Labels::as_map)
            .map_err(|error| &**error);
        assert_eq!(found, expected);
        // Stored by an earlier version, they are still read.
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(*Labels::from_json(&json).unwrap().as_map(), map);
    }
}

proptest! {
    #[test]
    fn accepted_names_follow_the_grammar(text in "\\PC{0,140}|.{0,20}") {
        if let Ok(name) = text.parse::<DisplayName>() {
            prop_assert_eq!(name.as_str(), &text);
            prop_assert!((1..=128).contains(&text.chars().count()));
            prop_assert_eq!(text.trim(), &text);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }

    #[test]
    fn other_texts_are_not_ids(text in "(wkr|grp)_[0-9a-z]{25,27}") {
        let plain = !text[4..].contains(['i', 'l', 'o', 'u']) && text.len() == 30;
        prop_assert_eq!(text.parse::<MemberId>().is_ok(), plain);
    }
}
