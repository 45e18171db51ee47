//! The form of a line: its members, and where it is in the chain.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;

use crate::hash::LineHash;

/// The version of the format that this crate writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;
/// The maximum length of a line in bytes. No event makes one that is longer.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// Appends a text as a JSON string.
pub(crate) fn append_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Returns a time in RFC 3339 with six digits after the second.
pub(crate) fn time_text(time: SystemTime) -> String {
    // A clock that is outside of the supported years is not a reason to lose a line.
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

/// The last line of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of the line in the chain.
    pub(crate) seq: u64,
    pub(crate) hash: LineHash,
}

/// Appends the line that follows a position, with its line feed. Returns the position of the new line.
pub(crate) fn append_line(
    bytes: &mut Vec<u8>,
    after: Option<Position>,
    time: &str,
    members: &str,
) -> Position {
    let (seq, prev) = after.map_or((0, LineHash::ZERO), |last| (last.seq + 1, last.hash));
    let line = format!(
        "{{\"v\":{VERSION},\"seq\":{seq},\"prev\":\"{prev}\",\"time\":\"{time}\",{members}}}"
    );
    let hash = LineHash::of(line.as_bytes());
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    Position { seq, hash }
}

/// Returns the members of a line that only the log writes. `texts` and `numbers` follow the name of the event.
pub(crate) fn members(event: &str, texts: &[(&str, &str)], numbers: &[(&str, u64)]) -> String {
    let mut json = format!("\"event\":\"{event}\"");
    for (name, text) in texts {
        let _ = write!(json, ",\"{name}\":");
        append_text(&mut json, text);
    }
    for (name, number) in numbers {
        let _ = write!(json, ",\"{name}\":{number}");
    }
    json
}

/// The members of a line that make the chain. Members that are not known are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct ParsedLine<'l> {
    pub(crate) v: u32,
    pub(crate) seq: u64,
    #[serde(borrow)]
    prev: Cow<'l, str>,
    #[serde(borrow)]
    pub(crate) event: Cow<'l, str>,
    /// The id of the chain, in the first line of a file.
    #[serde(borrow, default)]
    pub(crate) chain: Option<Cow<'l, str>>,
}

impl<'l> ParsedLine<'l> {
    /// Parses a line without its line feed.
    pub(crate) fn parse(line: &'l [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Returns the hash of the line before.
    pub(crate) fn prev(&self) -> Option<LineHash> {
        self.prev.parse().ok()
    }

    /// Returns the id of the chain if this is the first line of a file.
    pub(crate) fn chain_of_first(&self) -> Option<&str> {
        let is_first = matches!(&*self.event, "begin" | "continue");
        self.chain.as_deref().filter(|_| is_first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn lines_have_the_documented_form() {
        let mut bytes = Vec::new();
        let time = time_text(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        assert_eq!(time, "1970-01-01T00:00:01.500000Z");
        let first = append_line(
            &mut bytes,
            None,
            &time,
            &members("begin", &[("chain", "c\"")], &[]),
        );
        let second = append_line(
            &mut bytes,
            Some(first),
            &time,
            &members("lost", &[], &[("lines", 3)]),
        );
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let zeros = "0".repeat(64);
        assert_eq!(
            lines[0],
            format!(
                "{{\"v\":1,\"seq\":0,\"prev\":\"{zeros}\",\"time\":\"1970-01-01T00:00:01.500000Z\",\"event\":\"begin\",\
                 \"chain\":\"c\\\"\"}}\n"
            )
        );
        assert_eq!(first.hash, LineHash::of(lines[0].trim_end().as_bytes()));
        let parsed = ParsedLine::parse(lines[1].trim_end().as_bytes()).unwrap();
        assert_eq!((parsed.seq, parsed.prev()), (1, Some(first.hash)));
        assert_eq!(second.seq, 1);
        assert_eq!(parsed.chain_of_first(), None);
        assert!(ParsedLine::parse(b"{\"v\":1}").is_none());
    }
}
