//! What a subject has promised up to some moment, and whether what survived keeps it.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::finding::{Finding, Visible};
use crate::protocol::Line;

/// Everything that a subject has said up to some moment.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    blobs: BTreeMap<String, Blob>,
    /// Promises that were broken at once, whatever survives.
    broken: BTreeSet<Finding>,
    version: u64,
}

#[derive(Debug, Clone, Default)]
struct Blob {
    tried: Vec<Digest>,
    acked: Option<Digest>,
    exists: bool,
    deletion: Deletion,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Deletion {
    #[default]
    None,
    Begun,
    Done,
}

impl Claims {
    /// Takes one more line.
    pub fn say(&mut self, line: &Line) {
        self.version += 1;
        match line {
            Line::Try(id, digest) => {
                let blob = self.blob(id);
                // A new store after a deletion: from here on the blob may be there again.
                if blob.deletion == Deletion::Done {
                    *blob = Blob::default();
                }
                if !blob.tried.contains(digest) {
                    blob.tried.push(*digest);
                }
            }
            Line::Ack(id, digest) => {
                let blob = self.blob(id);
                if blob.deletion != Deletion::None {
                    // Stored again while a deletion runs: only the subject knows which was last.
                    return;
                }
                if blob.acked.is_some() {
                    // The first answer counts: a second Ok for one id is wrong by itself.
                    self.broken.insert(Finding::AckedTwice(id.clone()));
                } else {
                    blob.acked = Some(*digest);
                }
            }
            Line::Exists(id) => {
                let blob = self.blob(id);
                blob.exists = blob.deletion == Deletion::None;
            }
            Line::Delete(id) => {
                let blob = self.blob(id);
                blob.acked = None;
                blob.exists = false;
                blob.deletion = Deletion::Begun;
            }
            Line::Deleted(id) => self.blob(id).deletion = Deletion::Done,
            Line::Got(id, digest) => {
                let blob = self.blob(id);
                // With two deposits of one id in flight, only the acknowledged one is known to win.
                let right = match blob.acked {
                    Some(acked) => acked == *digest,
                    None => blob.tried.contains(digest),
                };
                if !right {
                    self.broken.insert(Finding::Misread(id.clone()));
                }
            }
            Line::Absent(id) => {
                let blob = self.blob(id);
                if blob.acked.is_some() || blob.exists {
                    self.broken.insert(Finding::Denied(id.clone()));
                }
            }
            Line::Unsupported(_) => {}
        }
    }

    fn blob(&mut self, id: &str) -> &mut Blob {
        self.blobs.entry(id.to_owned()).or_default()
    }

    /// How many blobs are acknowledged now.
    pub fn acknowledged(&self) -> usize {
        self.blobs
            .values()
            .filter(|blob| blob.acked.is_some())
            .count()
    }

    /// Grows with every line: two moments with one version owe the same.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Every promise that `visible` breaks.
    pub fn judge(&self, visible: &[Visible]) -> Vec<Finding> {
        let mut findings: Vec<_> = self.broken.iter().cloned().collect();
        let mut there = BTreeSet::new();
        for visible in visible {
            match visible {
                Visible::Stray(what) => findings.push(Finding::Stray(what.clone())),
                Visible::Unreadable(id, why) => {
                    there.insert(id.as_str());
                    findings.push(Finding::Unreadable(id.clone(), why.clone()));
                }
                Visible::Blob(id, digest) => {
                    there.insert(id.as_str());
                    findings.extend(self.judge_blob(id, *digest));
                }
            }
        }
        for (id, blob) in &self.blobs {
            if there.contains(id.as_str()) {
                continue;
            }
            if blob.acked.is_some() {
                findings.push(Finding::Lost(id.clone()));
            } else if blob.exists {
                findings.push(Finding::ExistsLost(id.clone()));
            }
        }
        findings
    }

    fn judge_blob(&self, id: &str, digest: Digest) -> Option<Finding> {
        let Some(blob) = self.blobs.get(id) else {
            return Some(Finding::Unannounced(id.to_owned()));
        };
        if blob.deletion == Deletion::Done {
            return Some(Finding::Resurrected(id.to_owned()));
        }
        match blob.acked {
            Some(acked) if acked == digest => None,
            Some(_) => Some(Finding::Changed(id.to_owned())),
            None if blob.tried.contains(&digest) => None,
            None => Some(Finding::Partial(id.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[Line]) -> Claims {
        let mut claims = Claims::default();
        for line in lines {
            claims.say(line);
        }
        claims
    }

    fn id() -> String {
        "a".to_owned()
    }

    fn blob(bytes: &[u8]) -> Visible {
        Visible::Blob(id(), Digest::of(bytes))
    }

    #[test]
    fn a_blob_not_yet_acknowledged_is_there_whole_or_not_at_all() {
        let claims = after(&[Line::Try(id(), Digest::of(b"ab"))]);
        assert_eq!(claims.judge(&[]), []);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        assert_eq!(claims.judge(&[blob(b"a")]), [Finding::Partial(id())]);
    }

    #[test]
    fn an_acknowledged_blob_is_there_whole() {
        let digest = Digest::of(b"ab");
        let claims = after(&[Line::Try(id(), digest), Line::Ack(id(), digest)]);
        assert_eq!(claims.judge(&[]), [Finding::Lost(id())]);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        assert_eq!(claims.judge(&[blob(b"")]), [Finding::Changed(id())]);
    }

    #[test]
    fn an_id_said_to_exist_is_there_with_any_bytes_that_were_stored() {
        let tried = [b"ab", b"cd"].map(|bytes| Line::Try(id(), Digest::of(bytes)));
        let mut claims = after(&tried);
        claims.say(&Line::Exists(id()));
        assert_eq!(claims.judge(&[]), [Finding::ExistsLost(id())]);
        assert_eq!(claims.judge(&[blob(b"cd")]), []);
    }

    #[test]
    fn one_id_is_acknowledged_once() {
        let digest = Digest::of(b"ab");
        let claims = after(&[
            Line::Try(id(), digest),
            Line::Ack(id(), digest),
            Line::Ack(id(), digest),
        ]);
        assert_eq!(claims.judge(&[blob(b"ab")]), [Finding::AckedTwice(id())]);
    }

    #[test]
    fn a_deletion_frees_then_forbids() {
        let digest = Digest::of(b"ab");
        let mut claims = after(&[
            Line::Try(id(), digest),
            Line::Ack(id(), digest),
            Line::Delete(id()),
        ]);
        assert_eq!(claims.judge(&[]), []);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        claims.say(&Line::Deleted(id()));
        assert_eq!(claims.judge(&[blob(b"ab")]), [Finding::Resurrected(id())]);
        assert_eq!(claims.judge(&[]), []);
    }

    #[test]
    fn what_nobody_announced_is_found() {
        assert_eq!(after(&[]).judge(&[blob(b"")]), [Finding::Unannounced(id())]);
    }
}
