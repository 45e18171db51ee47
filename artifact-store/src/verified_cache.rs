//! Bytes that were read and verified lately, in memory: they need not be read and hashed again.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::{ArtifactId, Stamp};
use bytes::Bytes;

/// One artifact takes at most this part of the memory.
const SHARE: u64 = 8;
/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 256;

/// Verified blobs, by id and the stamp that they were read under: whoever asks has just opened the blob,
/// so one that was deleted or touched is not found here.
///
/// The oldest makes room, unless it was asked for since it was looked at last (the second chance of
/// CLOCK), so one pass over many blobs does not drive out what is asked for often.
pub(crate) struct VerifiedCache {
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    entries: HashMap<ArtifactId, Entry>,
    /// Every id of `entries`, once; the next one to be looked at first.
    order: VecDeque<ArtifactId>,
}

struct Entry {
    stamp: Stamp,
    pieces: Arc<[Bytes]>,
    bytes: usize,
    asked: bool,
}

impl VerifiedCache {
    /// Keeps about so many bytes at most.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the critical sections can panic but an allocation, which ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a blob of so many bytes would be kept.
    pub(crate) fn accepts(&self, size: u64) -> bool {
        size <= self.most_bytes as u64 / SHARE && self.most_bytes > ENTRY_BYTES
    }

    /// The pieces of a blob, if its storage is in the state in which they were read from it.
    pub(crate) fn get(&self, id: ArtifactId, stamp: Stamp) -> Option<Arc<[Bytes]>> {
        let mut state = self.state();
        let entry = state.entries.get_mut(&id)?;
        if entry.stamp != stamp {
            return None;
        }
        entry.asked = true;
        Some(Arc::clone(&entry.pieces))
    }

    /// Keeps the pieces of a blob that [`accepts`](Self::accepts) allows.
    pub(crate) fn insert(&self, id: ArtifactId, stamp: Stamp, pieces: Arc<[Bytes]>) {
        // A piece lies in a buffer of up to twice its size.
        let sizes = pieces.iter().map(|piece| piece.len().next_power_of_two());
        let bytes = sizes.sum::<usize>() + ENTRY_BYTES;
        let mut state = self.state();
        state.make_room(self.most_bytes.saturating_sub(bytes));
        state.bytes += bytes;
        let entry = Entry {
            stamp,
            pieces,
            bytes,
            asked: false,
        };
        match state.entries.insert(id, entry) {
            Some(former) => state.bytes -= former.bytes,
            None => state.order.push_back(id),
        }
    }

    pub(crate) fn forget(&self, id: ArtifactId) {
        let mut state = self.state();
        if let Some(entry) = state.entries.remove(&id) {
            state.bytes -= entry.bytes;
            state.order.retain(|known| *known != id);
        }
    }
}

impl State {
    /// Removes entries until no more than so many bytes are left.
    fn make_room(&mut self, most: usize) {
        while self.bytes > most {
            let Some(id) = self.order.pop_front() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if std::mem::take(&mut entry.asked) {
                self.order.push_back(id);
            } else {
                self.bytes -= entry.bytes;
                self.entries.remove(&id);
            }
        }
    }
}

impl fmt::Debug for VerifiedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCache")
            .field("most_bytes", &self.most_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp::new([1, 2, 3]);

    fn id(number: u8) -> ArtifactId {
        ArtifactId::from_bytes([number; 16])
    }

    fn insert(cache: &VerifiedCache, number: u8, length: usize) {
        let piece = Bytes::from(vec![number; length]);
        cache.insert(id(number), STAMP, [piece].into());
    }

    fn holds(cache: &VerifiedCache, number: u8) -> bool {
        let found = cache.get(id(number), STAMP);
        found.is_some_and(|pieces| pieces[0].first() == Some(&number))
    }

    #[test]
    fn what_was_touched_since_is_not_found_and_is_replaced() {
        let cache = VerifiedCache::new(1 << 20);
        insert(&cache, 1, 100);
        let touched = Stamp::new([1, 2, 4]);
        assert!(holds(&cache, 1) && cache.get(id(1), touched).is_none());
        cache.insert(id(1), touched, [Bytes::from_static(b"x")].into());
        assert!(!holds(&cache, 1) && cache.get(id(1), touched).is_some());
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (1 + ENTRY_BYTES, 1));
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let each = (4 << 10) + ENTRY_BYTES;
        let cache = VerifiedCache::new(10 * each);
        insert(&cache, 0, 4 << 10);
        for number in 1..100 {
            insert(&cache, number, 4 << 10);
            assert!(holds(&cache, 0), "after {number}");
            let state = cache.state();
            assert!(state.bytes <= 10 * each, "{}", state.bytes);
            assert_eq!(state.order.len(), state.entries.len());
        }
        assert!(!holds(&cache, 1) && holds(&cache, 99));
    }

    #[test]
    fn nothing_is_left_of_what_was_forgotten() {
        let cache = VerifiedCache::new(1 << 20);
        insert(&cache, 1, 100);
        cache.forget(id(1));
        cache.forget(id(2));
        assert!(!holds(&cache, 1));
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (0, 0));
    }

    #[test]
    fn no_memory_keeps_nothing() {
        assert!(!VerifiedCache::new(0).accepts(0));
        let cache = VerifiedCache::new(8 << 10);
        assert!(cache.accepts(1 << 10) && !cache.accepts((1 << 10) + 1));
    }
}
