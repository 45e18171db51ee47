//! What somebody may have meant.

/// The known name that is nearest to what was typed, unless none is near.
pub(crate) fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|name| (distance(typed, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .min()
        .map(|(_, name)| name)
}

/// The number of single-byte insertions, deletions and replacements between two texts (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    // What was typed may be of any length; beyond this nothing is near.
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_finds_its_name_and_a_strange_word_finds_none() {
        let known = ["listen", "data_dir", "database"];
        for (typed, near) in [
            ("listn", Some("listen")),
            ("datadir", Some("data_dir")),
            ("databse", Some("database")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), near, "{typed}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known.into_iter()), None);
    }
}
