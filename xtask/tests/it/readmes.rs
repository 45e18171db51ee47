//! Each published crate has a README that says how to add it, with every crate that its examples use.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{members, read, root};

/// Returns the words of the `cargo add` and `cargo install` lines, as names in Rust.
fn added(readme: &str) -> BTreeSet<String> {
    let lines = readme.lines().map(str::trim);
    let lines =
        lines.filter(|line| line.starts_with("cargo add ") || line.starts_with("cargo install "));
    let words = lines.flat_map(str::split_whitespace);
    words.map(|word| word.replace('-', "_")).collect()
}

/// Returns the crates that the visible `use` lines and attributes of the Rust examples name.
fn used(readme: &str) -> BTreeSet<String> {
    let mut in_example = false;
    let mut found = BTreeSet::new();
    for line in readme.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_example = !in_example && (language.starts_with("rust") || language == "no_run");
            continue;
        }
        if !in_example {
            continue;
        }
        let path = line
            .strip_prefix("use ")
            .or(line.strip_prefix("#[tokio::").and(Some("tokio::")));
        if let Some((name, _)) = path.and_then(|path| path.split_once("::")) {
            found.insert(name.to_owned());
        }
    }
    found.remove("std");
    found
}

#[test]
fn readmes_of_published_crates_add_the_crate_and_what_their_examples_use() {
    let mut missing = Vec::new();
    for member in members() {
        let manifest = read(Path::new(&member).join("Cargo.toml"));
        if manifest.contains("\npublish = false") {
            continue;
        }
        let path = Path::new(&member).join("README.md");
        if !root().join(&path).exists() {
            missing.push(format!("{member} has no README.md"));
            continue;
        }
        let readme = read(path);
        let name = member
            .rsplit('/')
            .next()
            .expect("split gives at least one piece");
        let added = added(&readme);
        let needed = used(&readme).into_iter().chain([name.replace('-', "_")]);
        for name in needed.filter(|name| !added.contains(name)) {
            missing.push(format!("{member}/README.md has no `cargo add` for {name}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn crates_of_hidden_lines_and_of_std_need_no_cargo_add() {
    let readme = "```rust\nuse std::fmt;\n# use hidden_crate::X;\nuse shown_crate::Y;\n#[tokio::main]\n```\n\
                  use text::Z;\n```sh\ncargo add shown-crate\n```\n";
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(used(readme), names(&["shown_crate", "tokio"]));
    assert!(added(readme).contains("shown_crate"));
}
