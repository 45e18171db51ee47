//! Collects a subject's promises and checks surviving data against them.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::finding::{Finding, Visible};
use crate::protocol::Line;

/// The promises that follow from the lines a subject has printed so far.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    blobs: BTreeMap<String, Blob>,
    /// Promises that the subject broke while it ran, whatever survives the crash.
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
    /// Applies the next line.
    pub fn record(&mut self, line: &Line) {
        self.version += 1;
        match line {
            Line::Try(id, digest) => {
                let blob = self.blob(id);
                // A new store after a deletion: from now on the blob may be visible again.
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
                    // Stored again while a deletion runs: only the subject knows which came last.
                    return;
                }
                if blob.acked.is_some() {
                    // The first acknowledgement counts. A second one for the same id is a finding.
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
                // If two stores of one id run at once, only the acknowledged one is known to win.
                let expected = match blob.acked {
                    Some(acked) => acked == *digest,
                    None => blob.tried.contains(digest),
                };
                if !expected {
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

    /// Returns the number of blobs that are currently acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.blobs
            .values()
            .filter(|blob| blob.acked.is_some())
            .count()
    }

    /// Returns a number that grows with every line. Equal versions mean equal promises.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Returns every promise that `visible` breaks.
    pub fn judge(&self, visible: &[Visible]) -> Vec<Finding> {
        let mut findings: Vec<_> = self.broken.iter().cloned().collect();
        let mut visible_ids = BTreeSet::new();
        for visible in visible {
            match visible {
                Visible::Stray(path) => findings.push(Finding::Stray(path.clone())),
                Visible::Unreadable(id, why) => {
                    visible_ids.insert(id.as_str());
                    findings.push(Finding::Unreadable(id.clone(), why.clone()));
                }
                Visible::Blob(id, digest) => {
                    visible_ids.insert(id.as_str());
                    findings.extend(self.judge_blob(id, *digest));
                }
            }
        }
        for (id, blob) in &self.blobs {
            if visible_ids.contains(id.as_str()) {
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
            claims.record(line);
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
    fn an_unacknowledged_blob_is_complete_or_absent() {
        let claims = after(&[Line::Try(id(), Digest::of(b"ab"))]);
        assert_eq!(claims.judge(&[]), []);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        assert_eq!(claims.judge(&[blob(b"a")]), [Finding::Partial(id())]);
    }

    #[test]
    fn an_acknowledged_blob_is_present_and_complete() {
        let digest = Digest::of(b"ab");
        let claims = after(&[Line::Try(id(), digest), Line::Ack(id(), digest)]);
        assert_eq!(claims.judge(&[]), [Finding::Lost(id())]);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        assert_eq!(claims.judge(&[blob(b"")]), [Finding::Changed(id())]);
    }

    #[test]
    fn an_existing_id_survives_with_the_bytes_of_any_attempt() {
        let tried = [b"ab", b"cd"].map(|bytes| Line::Try(id(), Digest::of(bytes)));
        let mut claims = after(&tried);
        claims.record(&Line::Exists(id()));
        assert_eq!(claims.judge(&[]), [Finding::ExistsLost(id())]);
        assert_eq!(claims.judge(&[blob(b"cd")]), []);
    }

    #[test]
    fn a_second_acknowledgement_of_an_id_is_a_finding() {
        let digest = Digest::of(b"ab");
        let claims = after(&[
            Line::Try(id(), digest),
            Line::Ack(id(), digest),
            Line::Ack(id(), digest),
        ]);
        assert_eq!(claims.judge(&[blob(b"ab")]), [Finding::AckedTwice(id())]);
    }

    #[test]
    fn a_blob_may_vanish_during_deletion_and_must_stay_absent_after_it() {
        let digest = Digest::of(b"ab");
        let mut claims = after(&[
            Line::Try(id(), digest),
            Line::Ack(id(), digest),
            Line::Delete(id()),
        ]);
        assert_eq!(claims.judge(&[]), []);
        assert_eq!(claims.judge(&[blob(b"ab")]), []);
        claims.record(&Line::Deleted(id()));
        assert_eq!(claims.judge(&[blob(b"ab")]), [Finding::Resurrected(id())]);
        assert_eq!(claims.judge(&[]), []);
    }

    #[test]
    fn a_blob_without_a_try_line_is_a_finding() {
        assert_eq!(after(&[]).judge(&[blob(b"")]), [Finding::Unannounced(id())]);
    }
}
