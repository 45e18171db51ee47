//! Steps of a traced process, and which of them are alike.

use std::path::Path;

use artifact_crash_test::syscalls::{self, Call};

use crate::harness::skip;

/// Returns whether this machine cannot trace processes, and prints why.
pub(crate) fn is_untraceable() -> bool {
    let available = syscalls::available();
    let how = available.as_ref().err().map(ToString::to_string);
    skip(
        available.is_ok(),
        "steps of processes",
        &how.unwrap_or_default(),
    )
}

/// Returns the kind of a step: the call, its file below `folder` without ids, numbers and the name of the fan-out folder, and
/// the number of bytes. Messages on sockets have almost any length, so theirs is rounded up to a power of two.
///
/// A process makes the calls of one kind again and again, for each artifact, page or shard.
pub(crate) fn kind_of(call: &Call, folder: &Path) -> String {
    let target = Path::new(&call.target);
    let target = target.strip_prefix(folder).unwrap_or(target);
    let names = target.iter().map(|name| {
        let name = name.to_string_lossy();
        let is_hex = |letter: char| letter.is_ascii_hexdigit();
        if name.len() == 1 && name.chars().all(is_hex) {
            return "*".to_owned();
        }
        let mut kept = String::new();
        for part in name.split_inclusive(|letter| !is_hex(letter)) {
            let digits = part.trim_end_matches(|letter| !is_hex(letter));
            // Shorter ones are parts of words.
            kept.push_str(if digits.len() < 4 { digits } else { "*" });
            kept.push_str(&part[digits.len()..]);
        }
        kept
    });
    let names = names.collect::<Vec<_>>().join("/");
    let bytes = call.bytes.map(|bytes| {
        if call.target.starts_with("socket:") {
            bytes.next_power_of_two()
        } else {
            bytes
        }
    });
    match bytes {
        Some(bytes) => format!("{} of {bytes} bytes, {names}", call.name),
        None => format!("{}, {names}", call.name),
    }
}
