//! `.ci/small-builds` runs every test that only a build without some feature has. All other steps build with all features.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the repository's own files"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::{members, read, root};

/// Collects the files of tests in a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// Returns the name of the function that begins on a line.
fn function(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    rest.split(['(', '<']).next()
}

/// Returns the functions with something that only a build without a feature has: the next one after an attribute in the first column,
/// the one around any other.
fn without_a_feature(source: &str) -> Vec<String> {
    let lines: Vec<_> = source.lines().collect();
    let marked = (0..lines.len()).filter(|at| lines[*at].contains("not(feature"));
    let functions = marked.map(|at| {
        let mut after = lines[at..].iter().filter_map(|line| function(line));
        let mut before = lines[..at].iter().rev().filter_map(|line| function(line));
        let is_outside = lines[at].starts_with('#');
        let found = if is_outside {
            after.next()
        } else {
            before.next()
        };
        found.unwrap_or("(none)").to_owned()
    });
    functions.collect()
}

#[test]
fn every_test_that_needs_a_missing_feature_runs_in_a_small_build() {
    let script = read(".ci/small-builds");
    let mut missing = Vec::new();
    let mut found = 0;
    for member in members() {
        let mut files = Vec::new();
        collect(&root().join(&member).join("tests"), &mut files);
        for file in files
            .iter()
            .filter(|file| !file.ends_with("small_builds.rs"))
        {
            let module = file.file_stem().unwrap().to_string_lossy();
            for name in without_a_feature(&fs::read_to_string(file).unwrap()) {
                found += 1;
                let line = format!("check {member} {module}::{name}\n");
                if !script.contains(&line) {
                    missing.push(line);
                }
            }
        }
    }
    assert!(found >= 4, "only {found} tests were found");
    assert_eq!(missing, [""; 0], "add these lines to .ci/small-builds");
}

#[test]
fn the_function_after_or_around_an_attribute_is_found() {
    let source = "fn a() {\n    #[cfg(not(feature = \"x\"))]\n    b();\n}\n\n#[cfg(all(unix, not(feature = \"x\")))]\n#[test]\nfn c() {}\n";
    assert_eq!(without_a_feature(source), ["a", "c"]);
}
