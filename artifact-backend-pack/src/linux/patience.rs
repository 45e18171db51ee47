//! How long the committer waits for more requests before it commits a group.
//!
//! Callers that store one blob after the other come back as soon as they are answered. Without a wait, those of two groups would take
//! turns for ever: one half arrives while the other half is committed, and each sync serves half of the callers. So a group waits for
//! as many requests as were answered last, but no longer than half of what a commit takes. If that was in vain, it waits for as many as came, and tries
//! more again some groups later. A single caller never waits.

use std::time::Duration;

/// After how many groups more requests are waited for again.
const RETRY_AFTER: u32 = 16;

/// What is known of the callers.
#[derive(Debug)]
pub(crate) struct Patience {
    /// The number of requests in the last group, with those that had come meanwhile.
    callers: usize,
    /// How many requests are waited for at most.
    limit: usize,
    /// The number of groups since the limit changed.
    groups: u32,
    /// How long a commit takes: an average in which the last ones count most.
    commit: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            callers: 0,
            limit: usize::MAX,
            groups: 0,
            commit: Duration::ZERO,
        }
    }

    /// Returns how many requests the next group waits for.
    pub(crate) fn wanted(&self) -> usize {
        self.callers.min(self.limit)
    }

    /// Returns how long it waits for them.
    pub(crate) fn timeout(&self) -> Duration {
        self.commit / 2
    }

    /// Notes how many requests there were after a wait.
    pub(crate) fn waited(&mut self, wanted: usize, came: usize) {
        if came < wanted {
            self.limit = came;
            self.groups = 0;
        }
    }

    /// Notes that a group was committed, while as many as `waiting` requests came for the next one.
    pub(crate) fn committed(&mut self, requests: usize, waiting: usize, commit: Duration) {
        self.callers = requests + waiting;
        self.commit = (self.commit * 7 + commit) / 8;
        self.groups += 1;
        if self.groups == RETRY_AFTER {
            self.limit = self.limit.saturating_mul(2);
            self.groups = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Duration = Duration::from_micros(800);

    /// Returns what is known after `groups` groups of 8, while 8 other requests came.
    fn after(groups: u32) -> Patience {
        let mut patience = Patience::new();
        for _ in 0..groups {
            patience.committed(8, 8, COMMIT);
        }
        patience
    }

    #[test]
    fn a_group_waits_for_the_callers_of_the_last_one_and_those_that_came_meanwhile() {
        let mut patience = Patience::new();
        assert_eq!(patience.wanted(), 0);
        patience.committed(1, 0, COMMIT);
        assert_eq!(patience.wanted(), 1);
        patience.committed(8, 8, COMMIT);
        assert_eq!(patience.wanted(), 16);
    }

    #[test]
    fn it_waits_for_half_of_what_commits_take() {
        assert_eq!(after(1).timeout(), COMMIT / 16);
        let later = after(40).timeout();
        assert!(
            (COMMIT * 49 / 100..=COMMIT / 2).contains(&later),
            "{later:?}"
        );
    }

    #[test]
    fn after_a_wait_in_vain_it_waits_for_as_many_as_came() {
        let mut patience = after(1);
        patience.waited(16, 9);
        for _ in 1..RETRY_AFTER {
            patience.committed(8, 8, COMMIT);
            assert_eq!(patience.wanted(), 9);
        }
        patience.committed(8, 8, COMMIT);
        assert_eq!(patience.wanted(), 16);
        patience.waited(16, 16);
        assert_eq!(patience.wanted(), 16);
    }
}
