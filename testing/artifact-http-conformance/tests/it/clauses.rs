//! Every clause has a scenario, and every scenario cites existing clauses.

use std::collections::{BTreeMap, BTreeSet};

use artifact_http_conformance::{BLIND, Suite};

const PROTOCOL: &str = include_str!("../../../../docs/http-api.md");

/// Returns the numbered clauses of the protocol with their texts.
fn clauses() -> BTreeMap<String, String> {
    let mut clauses = BTreeMap::new();
    for section in PROTOCOL.split("\n- **[").skip(1) {
        let (id, rest) = section
            .split_once("]** ")
            .expect("a clause starts with `- **[X-1]** `");
        // A clause ends at the blank line after its list.
        let text = rest.split("\n\n").next().unwrap_or_default();
        let before = clauses.insert(id.to_owned(), text.to_owned());
        assert!(before.is_none(), "clause {id} appears twice");
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
fn every_must_is_cited_or_listed_as_untestable() {
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
        assert!(
            !cited.contains(id),
            "{id} is cited, so it must not be listed as untestable"
        );
        assert!(!reason.is_empty());
    }
}

#[test]
fn clauses_refer_only_to_existing_clauses() {
    let clauses = clauses();
    for (id, text) in &clauses {
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let Some((letter, number)) = word.split_once('-') else {
                continue;
            };
            let looks_like_clause = letter.len() == 1
                && letter.bytes().all(|byte| byte.is_ascii_uppercase())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit());
            assert!(
                !looks_like_clause || clauses.contains_key(word),
                "{id} refers to {word}, which does not exist"
            );
        }
    }
}

#[test]
fn scenario_names_are_unique() {
    let names: Vec<_> = Suite::scenarios().map(|scenario| scenario.name).collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), different.len());
}
