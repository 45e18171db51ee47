//! An ordered list in constant memory, from a source without an order.

use std::collections::BTreeMap;

use crate::id::ArtifactId;
use crate::shard::Shard;

/// The number of ids that one pass over an unordered source keeps.
pub const PASS: usize = 65_536;

/// The smallest ids of a shard after a given one, each with an item.
///
/// A backend whose storage has no order lists a shard in passes: each pass offers every item of the storage,
/// keeps the smallest, and the next pass begins after the last id that was kept.
#[derive(Debug)]
pub struct Smallest<T> {
    shard: Shard,
    after: Option<ArtifactId>,
    limit: usize,
    items: BTreeMap<ArtifactId, T>,
    /// The largest kept id, once the limit is reached.
    largest: Option<ArtifactId>,
    left_out: bool,
}

impl<T> Smallest<T> {
    /// Begins a pass that keeps [`PASS`] items of a shard after `after`.
    pub fn new(shard: Shard, after: Option<ArtifactId>) -> Self {
        Self::with_limit(shard, after, PASS)
    }

    /// Begins a pass that keeps `limit` items (at least 1).
    pub fn with_limit(shard: Shard, after: Option<ArtifactId>, limit: usize) -> Self {
        Self {
            shard,
            after,
            limit: limit.max(1),
            items: BTreeMap::new(),
            largest: None,
            left_out: false,
        }
    }

    /// Returns whether the pass needs the item of this id: it is of the shard, after `after`, not kept yet and
    /// smaller than the ids that are. An id that is only too large is remembered for the next pass.
    pub fn wants(&mut self, id: ArtifactId) -> bool {
        if !self.shard.contains(id) || self.after.is_some_and(|after| id <= after) {
            return false;
        }
        if self.largest.is_some_and(|largest| id > largest) {
            self.left_out = true;
            return false;
        }
        !self.items.contains_key(&id)
    }

    /// Offers an item. Keeps it if the pass [wants](Self::wants) it.
    pub fn offer(&mut self, id: ArtifactId, item: T) {
        if !self.wants(id) {
            return;
        }
        self.items.insert(id, item);
        if self.items.len() > self.limit {
            self.items.pop_last();
            self.left_out = true;
        }
        if self.items.len() == self.limit {
            self.largest = self.items.last_key_value().map(|(id, _)| *id);
        }
    }

    /// Ends the pass. Returns the items in the order of their ids, and the id after which the next pass begins,
    /// or `None` if there is nothing after them.
    pub fn finish(self) -> (Vec<(ArtifactId, T)>, Option<ArtifactId>) {
        let last = self.items.last_key_value().map(|(id, _)| *id);
        let next = last.filter(|_| self.left_out);
        (self.items.into_iter().collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> ArtifactId {
        ArtifactId::from(number)
    }

    #[test]
    fn passes_return_each_id_of_the_shard_once_in_order() {
        for limit in 1..12 {
            let mut offered: Vec<u128> = (0..10).map(|number| number * 7 % 10).collect();
            offered.extend([3, 3, 9, u128::MAX]);
            let (mut after, mut listed) = (None, Vec::new());
            for _ in 0..20 {
                let mut pass = Smallest::with_limit(Shard::ALL[0], after, limit);
                for number in &offered {
                    pass.offer(id(*number), ());
                }
                let (items, next) = pass.finish();
                assert!(items.len() <= limit);
                listed.extend(items.into_iter().map(|(id, ())| u128::from(id)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(listed, (0..10).collect::<Vec<_>>(), "limit {limit}");
        }
    }

    #[test]
    fn a_pass_begins_after_the_given_id() {
        let mut pass = Smallest::new(Shard::ALL[0], Some(id(4)));
        for number in [5, 3, 4, 8] {
            pass.offer(id(number), number);
        }
        assert_eq!(pass.finish(), (vec![(id(5), 5), (id(8), 8)], None));
    }
}
