//! Generates the table of docs/operations/metrics.md from the definitions and compares it with the committed one.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::ALL;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/metrics.md");
const BEGIN: &str =
    "<!-- The table is generated: ARTIFACT_REGENERATE=1 cargo test -p artifact-cli -->\n";
const END: &str = "<!-- The end of the table. -->\n";

fn table() -> String {
    let mut text = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in ALL.iter().copied().flatten() {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (name, kind, labels) = (metric.name, metric.kind.as_str(), labels.join(", "));
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", metric.help);
    }
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads its golden file, and writes it on request"
)]
fn the_documentation_has_every_metric() {
    let committed = String::from_utf8(std::fs::read(PATH).unwrap()).unwrap();
    let (before, rest) = committed.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let generated = [before, BEGIN, &table(), END, after].concat();
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(PATH, &generated).unwrap();
        return;
    }
    assert_eq!(
        committed, generated,
        "docs/operations/metrics.md is outdated; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-cli"
    );
}

#[test]
fn names_are_unique_and_say_their_unit_and_kind() {
    let mut names = HashSet::new();
    for metric in ALL.iter().copied().flatten() {
        let name = metric.name;
        assert!(names.insert(name), "two metrics are {name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind.as_str() == "counter",
            "{name}"
        );
        if metric.kind.as_str() == "histogram" {
            assert!(name.ends_with("_seconds"), "{name} needs buckets");
        }
        assert!(!metric.help.ends_with('.'), "{name}");
    }
}
