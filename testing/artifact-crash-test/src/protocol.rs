//! The line protocol of subjects: one fact per line, words separated by one space.
//!
//! Lines that begin with any other word are ignored, so a subject may print other output too.

use crate::digest::Digest;

/// A line that a subject prints while it runs (`SUBJECT run ROOT`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// `TRY id sha256`: printed before any byte of this blob reaches the root.
    Try(String, Digest),
    /// `ACK id sha256`: the store returned Ok. From now on the blob must survive every crash.
    Ack(String, Digest),
    /// `EXISTS id`: a store returned "already exists". From now on a blob of this id must survive every
    /// crash.
    Exists(String),
    /// `DELETE id`: printed before the deletion begins. From now on the blob may be absent.
    Delete(String),
    /// `DELETED id`: the deletion returned Ok. From now on the blob must stay absent.
    Deleted(String),
    /// `GOT id sha256`: a load returned these bytes.
    Got(String, Digest),
    /// `ABSENT id`: a load returned "not found".
    Absent(String),
    /// `UNSUPPORTED why`: the subject cannot work on this file system at all.
    Unsupported(String),
}

impl Line {
    /// Parses a line of a run, without its line break. Returns `None` if the line is malformed or does
    /// not belong to the protocol.
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        let pair = || {
            let (id, digest) = rest.split_once(' ')?;
            Some((id.to_owned(), digest.parse().ok()?))
        };
        Some(match word {
            "TRY" => pair().map(|(id, digest)| Self::Try(id, digest))?,
            "ACK" => pair().map(|(id, digest)| Self::Ack(id, digest))?,
            "EXISTS" => Self::Exists(rest.to_owned()),
            "DELETE" => Self::Delete(rest.to_owned()),
            "DELETED" => Self::Deleted(rest.to_owned()),
            "GOT" => pair().map(|(id, digest)| Self::Got(id, digest))?,
            "ABSENT" => Self::Absent(rest.to_owned()),
            "UNSUPPORTED" => Self::Unsupported(rest.to_owned()),
            _ => return None,
        })
    }
}

/// A line that a subject prints when it checks a root (`SUBJECT check ROOT`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckLine {
    /// `HAVE id sha256`: this blob is visible, and its current bytes have this digest.
    Have(String, Digest),
    /// `BAD id why`: this blob is visible but cannot be read.
    Bad(String, String),
    /// `STRAY what`: the root holds something that is neither a blob nor a leftover that a sweep finds.
    Stray(String),
}

impl CheckLine {
    /// Parses a line of a check, without its line break. Returns `None` if the line is malformed or does
    /// not belong to the protocol.
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "HAVE" => {
                let (id, digest) = rest.split_once(' ')?;
                Self::Have(id.to_owned(), digest.parse().ok()?)
            }
            "BAD" => {
                let (id, why) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Bad(id.to_owned(), why.to_owned())
            }
            "STRAY" => Self::Stray(rest.to_owned()),
            _ => return None,
        })
    }
}

/// A splitter of a subject's standard output into lines. Lines may span several writes.
#[derive(Debug, Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes the next bytes and returns the protocol lines that they complete.
    ///
    /// Bytes of a line beyond 64 KiB are dropped.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                lines.extend(
                    std::str::from_utf8(&self.partial)
                        .ok()
                        .and_then(Line::parse),
                );
                self.partial.clear();
            } else if self.partial.len() < 64 * 1024 {
                self.partial.push(byte);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_split_across_writes() {
        let digest = Digest::of(b"x");
        let text = format!("hello\nTRY a {digest}\nACK a {digest}\nEXISTS b\nACK b short\nACK c");
        let whole = LineSplitter::default().push(text.as_bytes());
        let mut splitter = LineSplitter::default();
        let bytewise: Vec<_> = text
            .bytes()
            .flat_map(|byte| splitter.push(&[byte]))
            .collect();
        assert_eq!(whole, bytewise);
        assert_eq!(
            whole,
            [
                Line::Try("a".into(), digest),
                Line::Ack("a".into(), digest),
                Line::Exists("b".into())
            ]
        );
    }

    #[test]
    fn the_reason_of_a_check_line_may_contain_spaces() {
        assert_eq!(
            CheckLine::parse("BAD a two links"),
            Some(CheckLine::Bad("a".into(), "two links".into()))
        );
        assert_eq!(
            CheckLine::parse("STRAY a b"),
            Some(CheckLine::Stray("a b".into()))
        );
        assert_eq!(CheckLine::parse("HAVE a b"), None);
    }
}
