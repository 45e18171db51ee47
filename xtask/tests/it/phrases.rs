//! The repository is written in plain English: phrases that make a reader read a sentence twice fail the
//! build. CONTRIBUTING.md, "Words", says how to write instead.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the repository's own files"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// Each phrase with a plainer way to say it.
const PHRASES: &[(&str, &str)] = &[
    ("so many", "say the number: \"`n` bytes\", \"up to 64 KiB\""),
    ("anew", "\"again\", or say what is repeated"),
    ("lest", "\"so that ... not\""),
    ("whoever", "name the caller, the client or the task"),
    ("whom", "name the caller, the client or the worker"),
    ("somebody", "name the other process, client or operator"),
    (
        "nobody",
        "\"no task\", \"no client\", or turn the sentence round",
    ),
    ("is none", "\"there is no ...\", or \"is rejected\""),
    ("are none", "\"there are no ...\", or \"are rejected\""),
    ("of ours", "name the crate, the file or the server"),
    ("is told", "name the one who learns it: \"the caller gets\""),
    ("in the place of", "\"instead of\""),
    ("the same, with", "a verb: \"Sets the part size in bytes\""),
];

/// Files with text that people read.
const EXTENSIONS: &[&str] = &[
    "cjs", "js", "json", "md", "py", "rs", "sh", "sql", "toml", "yml", "html", "css",
];

/// Folders with nothing that is written by hand here.
const SKIPPED_FOLDERS: &[&str] = &[
    ".git",
    "artifact-data",
    "artifacts",
    "corpus",
    "node_modules",
    "target",
];

/// Text with comment marks removed, white space folded and line breaks inside sentences gone, and for
/// each byte the number of its line.
struct Prose {
    text: String,
    lines: Vec<usize>,
}

impl Prose {
    fn of(source: &str) -> Self {
        let mut prose = Self {
            text: String::new(),
            lines: Vec::new(),
        };
        for (number, line) in source.lines().enumerate() {
            let line = line
                .trim_start()
                .trim_start_matches(['/', '!', '#', '*', '>', '|', ' ']);
            // `is None` is a comparison in Python.
            for word in line.replace("is None", "== None").split_whitespace() {
                let word = word.to_lowercase();
                prose.text.push_str(&word);
                prose.text.push(' ');
                prose.lines.resize(prose.text.len(), number + 1);
            }
        }
        prose
    }

    /// The lines on which a phrase stands as whole words.
    fn find(&self, phrase: &str) -> Vec<usize> {
        // An underscore parts words too, so that test names count. `is_none` is a method of `Option`.
        let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = self.text.as_bytes();
        let found = self.text.match_indices(phrase).filter(|(at, _)| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            !is_letter(before) && !is_letter(bytes.get(at + phrase.len()))
        });
        found.map(|(at, _)| self.lines[at]).collect()
    }
}

/// Every file that counts, below the root.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the repository can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name) {
                files(&path, found);
            }
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_script =
            extension.is_none() && path.components().any(|part| part.as_os_str() == ".ci");
        if is_script || extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            found.push(path);
        }
    }
}

#[test]
fn hard_to_read_phrases_are_absent() {
    let mut paths = Vec::new();
    files(&root(), &mut paths);
    assert!(paths.len() > 300, "only {} files were found", paths.len());
    let mut found = Vec::new();
    for path in paths {
        if path.ends_with(file!()) || path.ends_with("phrases.rs") {
            continue;
        }
        let source =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let prose = Prose::of(&source);
        for (phrase, instead) in PHRASES {
            for line in prose.find(phrase) {
                let path = path.strip_prefix(root()).unwrap_or(&path).display();
                found.push(format!("{path}:{line}: \"{phrase}\"; write {instead}"));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} phrases:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn phrases_are_found_across_line_breaks_and_in_test_names() {
    let prose =
        Prose::of("/// What is\n/// told to it.\nfn nobody_is_let_in() {}\nlet x = y.is_none();");
    assert_eq!(prose.find("is told"), [1]);
    assert_eq!(prose.find("nobody"), [3]);
    assert_eq!(prose.find("is none"), [0; 0]);
    assert_eq!(Prose::of("A manifest lists renewals.").find("lest"), [0; 0]);
}
