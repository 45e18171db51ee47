//! What a subject prints: one line a fact, words apart by one space.
//!
//! Lines that begin with another word are ignored, so a subject may talk besides.

use crate::digest::Digest;

/// What a subject says while it runs (`SUBJECT run ROOT`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// `TRY id sha256`: said before anything of this blob reaches the root.
    Try(String, Digest),
    /// `ACK id sha256`: the store was answered Ok; from here on the blob must survive everything.
    Ack(String, Digest),
    /// `EXISTS id`: a store was answered "already exists"; from here on a blob of this id must
    /// survive everything.
    Exists(String),
    /// `DELETE id`: said before the deletion begins; from here on the blob may be absent.
    Delete(String),
    /// `DELETED id`: the deletion was answered Ok; from here on the blob must stay absent.
    Deleted(String),
    /// `GOT id sha256`: a load was answered with these bytes.
    Got(String, Digest),
    /// `ABSENT id`: a load was answered that there is no such blob.
    Absent(String),
    /// `UNSUPPORTED why`: the subject cannot work on this file system at all.
    Unsupported(String),
}

impl Line {
    /// One line of a run, without its line break; `None` if it is none of ours or malformed.
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

/// What a subject says about what it finds (`SUBJECT check ROOT`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// `HAVE id sha256`: this blob is visible, and its bytes, as read now, have this digest.
    Have(String, Digest),
    /// `BAD id why`: this blob is visible, but cannot be read.
    Bad(String, String),
    /// `STRAY what`: something lies there that is neither a blob nor what a sweep would find.
    Stray(String),
}

impl Seen {
    /// One line of a check, without its line break; `None` if it is none of ours or malformed.
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

/// Cuts what is written to a subject's standard output into lines, whatever the sizes of the writes.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes; gives the lines of ours that they complete.
    ///
    /// A subject whose output never breaks lines is cut off after 64 KiB.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut found = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                found.extend(
                    std::str::from_utf8(&self.partial)
                        .ok()
                        .and_then(Line::parse),
                );
                self.partial.clear();
            } else if self.partial.len() < 64 * 1024 {
                self.partial.push(byte);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_whatever_the_cuts() {
        let digest = Digest::of(b"x");
        let text = format!("hello\nTRY a {digest}\nACK a {digest}\nEXISTS b\nACK b short\nACK c");
        let whole = Lines::default().push(text.as_bytes());
        let mut lines = Lines::default();
        let single: Vec<_> = text.bytes().flat_map(|byte| lines.push(&[byte])).collect();
        assert_eq!(whole, single);
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
    fn a_check_may_say_why() {
        assert_eq!(
            Seen::parse("BAD a two links"),
            Some(Seen::Bad("a".into(), "two links".into()))
        );
        assert_eq!(Seen::parse("STRAY a b"), Some(Seen::Stray("a b".into())));
        assert_eq!(Seen::parse("HAVE a b"), None);
    }
}
