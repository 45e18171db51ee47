//! The order of a list.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::experiment::ExperimentId;
use crate::identity::{ListPosition, MemberId, Page};

/// The maximum number of records that are examined for a page. It limits how long the lock is held.
const MAX_EXAMINED: usize = 256;
/// The number of bytes of variable length in a page from which on it ends.
const MAX_BYTES: usize = 1024 * size_of::<MemberId>();

/// The ids of records by experiment, in the order of lists.
#[derive(Debug)]
pub(super) struct InOrder<I>(BTreeMap<(ExperimentId, ListPosition), I>);

impl<I> Default for InOrder<I> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<I: Copy> InOrder<I> {
    pub(super) fn insert(&mut self, experiment: &ExperimentId, position: ListPosition, id: I) {
        self.0.insert((experiment.clone(), position), id);
    }

    pub(super) fn remove(&mut self, experiment: &ExperimentId, position: ListPosition) {
        self.0.remove(&(experiment.clone(), position));
    }

    /// Returns the page after a position. `record` returns the record of an id with its number of bytes of
    /// variable length, or `None` if the list leaves it out.
    pub(super) fn page<T>(
        &self,
        experiment: &ExperimentId,
        after: &ListPosition,
        record: impl Fn(I) -> Option<(T, usize)>,
    ) -> Page<T> {
        let start = Bound::Excluded((experiment.clone(), after.clone()));
        let rest = self.0.range((start, Bound::Unbounded));
        let rest = rest.take_while(|((found, _), _)| found == experiment);
        let mut rest = rest.peekable();
        let (mut records, mut examined, mut bytes) = (Vec::new(), 0, 0);
        let mut last = None;
        for ((_, position), id) in rest.by_ref() {
            if let Some((record, size)) = record(*id) {
                records.push(record);
                bytes += size;
            }
            examined += 1;
            if examined >= MAX_EXAMINED || bytes >= MAX_BYTES {
                last = Some(position.clone());
                break;
            }
        }
        let next = last.filter(|_| rest.peek().is_some());
        Page::new(records, next)
    }
}
