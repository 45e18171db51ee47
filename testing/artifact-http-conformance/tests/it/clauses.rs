//! Scenarios and clauses belong together: none is without the other.

use std::collections::{BTreeMap, BTreeSet};

use artifact_http_conformance::{BLIND, Suite};

const PROTOCOL: &str = include_str!("../../../../docs/http-api.md");

/// The numbered clauses of the protocol, each with its text.
fn clauses() -> BTreeMap<String, String> {
    let mut clauses = BTreeMap::new();
    for piece in PROTOCOL.split("\n- **[").skip(1) {
        let (id, rest) = piece
            .split_once("]** ")
            .expect("a clause is `- **[X-1]** ...`");
        // It ends with its list: at a line that neither continues it nor is indented.
        let text = rest.split("\n\n").next().unwrap_or_default();
        let before = clauses.insert(id.to_owned(), text.to_owned());
        assert!(before.is_none(), "{id} is numbered twice");
    }
    clauses
}

fn cited() -> BTreeSet<&'static str> {
    let scenarios = Suite::scenarios();
    scenarios
        .flat_map(|scenario| scenario.clauses)
        .copied()
        .collect()
}

#[test]
fn every_must_is_cited_or_known_to_be_invisible() {
    let cited = cited();
    let blind: BTreeSet<_> = BLIND.iter().map(|(id, _)| *id).collect();
    let clauses = clauses();
    assert!(clauses.len() > 60, "{} clauses were found", clauses.len());
    let musts = clauses.iter().filter(|(_, text)| text.contains("MUST"));
    let missing: Vec<_> = musts
        .map(|(id, _)| id.as_str())
        .filter(|id| !cited.contains(id) && !blind.contains(id))
        .collect();
    assert_eq!(missing, [""; 0], "clauses that no scenario cites");
}

#[test]
fn every_citation_exists() {
    let clauses = clauses();
    let cited = cited();
    let unknown: Vec<_> = cited
        .iter()
        .filter(|id| !clauses.contains_key(**id))
        .collect();
    assert!(unknown.is_empty(), "there are no clauses {unknown:?}");
    for (id, reason) in BLIND {
        assert!(clauses.contains_key(*id), "there is no clause {id}");
        assert!(!cited.contains(id), "{id} is cited, so it can be seen");
        assert!(!reason.is_empty());
    }
}

#[test]
fn clauses_speak_only_of_clauses_that_exist() {
    let clauses = clauses();
    for (id, text) in &clauses {
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let Some((letter, number)) = word.split_once('-') else {
                continue;
            };
            let looks_like_one = letter.len() == 1
                && letter.bytes().all(|byte| byte.is_ascii_uppercase())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit());
            assert!(
                !looks_like_one || clauses.contains_key(word),
                "{id} speaks of {word}"
            );
        }
    }
}

#[test]
fn names_are_unique() {
    let names: Vec<_> = Suite::scenarios().map(|scenario| scenario.name).collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), different.len());
}
