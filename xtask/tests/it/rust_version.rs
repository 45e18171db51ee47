//! Crates that declare a Rust version before 1.88 do not use `let` in the middle of a condition, which came with it.
//! `clippy::incompatible_msrv` knows the standard library only.

use std::path::{Path, PathBuf};

use crate::{members, read, root};

/// Returns the minor version that a member declares, or `None` for the one of the workspace.
fn declared(member: &str) -> Option<u32> {
    let manifest = read(Path::new(member).join("Cargo.toml"));
    let (_, version) = manifest.split_once("\nrust-version = \"1.")?;
    version.split_once('"')?.0.parse().ok()
}

/// Returns the Rust files in a folder and its folders.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns whether a condition joins `let` with `&&`, in a text without comments.
fn has_let_chain(source: &str) -> bool {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let source: Vec<_> = source.lines().filter(is_code).collect();
    let source = source.join(" ");
    let words: Vec<_> = source.split_whitespace().collect();
    let starts = words
        .iter()
        .enumerate()
        .filter(|(_, word)| matches!(**word, "if" | "while"));
    starts.into_iter().any(|(start, _)| {
        let condition = words[start..].iter().take_while(|word| **word != "{");
        let condition: Vec<_> = condition.copied().collect();
        condition.contains(&"let") && condition.contains(&"&&")
    })
}

#[test]
fn crates_for_older_versions_of_rust_have_no_let_chains() {
    let mut checked = 0;
    for member in members() {
        if declared(&member).is_none_or(|minor| minor >= 88) {
            continue;
        }
        for path in sources(&root().join(&member).join("src")) {
            assert!(!has_let_chain(&read(&path)), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no crate declares an older version");
}

#[test]
fn let_chains_are_found() {
    assert!(has_let_chain("if let Some(x) = y\n    && x > 1\n{"));
    assert!(has_let_chain("while a && let Some(x) = y {"));
    assert!(!has_let_chain("if a && b {"));
    assert!(!has_let_chain("if let Some(x) = y {\n a && b"));
}
