//! Compares the table of crates and arrows in ARCHITECTURE.md with the workspace and its manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{members, read};

/// Returns the texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Reads the table of ARCHITECTURE.md: for each crate the crates of this workspace that it may depend on, or `None`
/// if it may depend on all of them.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = read("ARCHITECTURE.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, what)| {
        let allowed = match what.strip_prefix("→ ") {
            None => Some(BTreeSet::new()),
            Some(what) if what.starts_with("all of them") => None,
            Some(what) => {
                let arrow = what.split_once(". ").map_or(what, |(arrow, _)| arrow);
                Some(quoted(arrow).map(str::to_owned).collect())
            }
        };
        (name.to_owned(), allowed)
    })
    .collect()
}

/// Returns the name of the crate in a member's folder.
fn name_of(member: &str) -> &str {
    member
        .rsplit('/')
        .next()
        .expect("split gives at least one piece")
}

/// Returns the workspace crates among the normal dependencies of a member.
fn dependencies(member: &str) -> BTreeSet<String> {
    let manifest = read(Path::new(member).join("Cargo.toml"));
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" && line.starts_with("artifact-") {
            let end = line
                .find(['.', ' ', '='])
                .expect("a dependency has a value");
            found.insert(line[..end].to_owned());
        }
    }
    found
}

#[test]
fn the_table_lists_exactly_the_crates() {
    let named: BTreeSet<_> = table().into_keys().collect();
    let crates: BTreeSet<_> = members().iter().map(|m| name_of(m).to_owned()).collect();
    assert_eq!(named, crates);
}

#[test]
fn a_folder_has_the_name_of_its_crate() {
    for member in members() {
        let manifest = read(Path::new(&member).join("Cargo.toml"));
        let name = name_of(&member);
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{member}/Cargo.toml"
        );
    }
}

#[test]
fn crates_depend_only_on_crates_that_the_table_allows() {
    let table = table();
    for member in members() {
        let name = name_of(&member);
        let Some(Some(allowed)) = table.get(name) else {
            continue;
        };
        let has = dependencies(&member);
        let surplus: Vec<_> = has.difference(allowed).collect();
        assert!(
            surplus.is_empty(),
            "{name} depends on {surplus:?}; ARCHITECTURE.md allows {allowed:?}"
        );
    }
}

#[test]
fn the_document_has_two_pages_at_most() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines");
}
