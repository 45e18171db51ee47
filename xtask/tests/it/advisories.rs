//! The table of SECURITY.md that names the tests of each class of weaknesses: each test must exist.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the repository's own files"
)]

use std::fs;
use std::path::Path;

use crate::{read, root};

/// Returns the rows of the table: the class, and the tests in its last column.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let section = page.split("\n## Classes of weaknesses\n").nth(1);
    let section = section.expect("the section of the table");
    let section = section.split("\n## ").next().expect("a first part");
    let lines = section.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
            let tests = cells
                .last()
                .expect("a last cell")
                .split('`')
                .skip(1)
                .step_by(2);
            (
                cells[0].trim().to_owned(),
                tests.map(str::to_owned).collect(),
            )
        })
        .collect()
}

/// Appends the text of all files of a folder with Rust code.
fn append(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            append(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("Rust code is UTF-8"));
        }
    }
}

#[test]
fn each_class_has_tests_that_exist() {
    let rows = rows(&read("SECURITY.md"));
    assert!(rows.len() >= 18, "{} classes", rows.len());
    for (class, tests) in rows {
        assert!(!tests.is_empty(), "{class} has no test");
        for test in tests {
            let (krate, name) = test.split_once("::").expect("a crate and a test");
            let at = ["", "testing"].map(|folder| root().join(folder).join(krate));
            let folder = at.iter().find(|folder| folder.is_dir());
            let folder = folder.unwrap_or_else(|| panic!("{class}: there is no crate {krate}"));
            let mut text = String::new();
            for part in ["src", "tests"].map(|part| folder.join(part)) {
                if part.is_dir() {
                    append(&part, &mut text);
                }
            }
            let is_there = [format!("fn {name}("), format!("    {name}: ")]
                .iter()
                .any(|declared| text.contains(declared));
            assert!(is_there, "{class}: there is no test {test}");
        }
    }
}
