//! Compares the alarms that the code logs with the table of docs/operations/failures.md.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{members, read, root};

/// Adds the names of the alarms in all Rust files below a folder, relative to the root.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in root().join(folder).read_dir().expect("it is a folder") {
        let entry = entry.expect("its entries can be read");
        let path = folder.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(named_in(&read(path)));
        }
    }
}

/// Returns the texts that follow `alarm =` or `const ALARM: &str =` in a source.
fn named_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for before in ["alarm =", "alarm=", "ALARM: &str ="] {
        for after in source.split(before).skip(1) {
            let text = after.trim_start().strip_prefix('"');
            let name = text.and_then(|text| text.split_once('"'));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    names
}

#[test]
fn each_alarm_of_the_code_is_explained_and_no_other() {
    let mut logged = BTreeSet::new();
    for member in members() {
        let source = Path::new(&member).join("src");
        if root().join(&source).is_dir() {
            collect(&source, &mut logged);
        }
    }
    let text = read("docs/operations/failures.md");
    let (_, section) = text.split_once("\n## Alarms\n").expect("it has alarms");
    let (section, _) = section
        .split_once("\n## ")
        .expect("another section follows");
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let explained: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    assert!(logged.contains("audit-log"), "{logged:?}");
    assert_eq!(logged, explained);
}
