//! Reusable read buffers. For a new megabyte, page faults and zeroing take longer than the copy from the
//! page cache.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Below this size a buffer is allocated and not reused, which is just as fast.
const SMALLEST: usize = 64 << 10;
/// The number of size classes: `SMALLEST` times a power of two, up to 128 MiB.
const CLASSES: usize = 12;
/// Extra room in each buffer. A blob whose size is a power of two is read with one extra byte, which
/// detects a file that grew.
const SLACK: usize = 64;

/// The number of idle bytes that may be kept while no buffer is in use.
const RESERVE: usize = 16 << 20;

/// A pool of idle buffers by size class. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Buffers(Arc<IdleBuffers>);

#[derive(Debug)]
struct IdleBuffers {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The size of the idle buffers.
    bytes: usize,
    /// The size of the buffers in use.
    used_bytes: usize,
    classes: [Vec<Vec<u8>>; CLASSES],
}

/// Initialised memory of at least the requested size. Dropping it, or the last of the [`Bytes`] made
/// from it, returns it to the pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    pool: Option<Arc<IdleBuffers>>,
}

/// The first bytes of a buffer, as the owner of a [`Bytes`].
struct Filled {
    buffer: Buffer,
    length: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.bytes[..self.length]
    }
}

impl Buffers {
    /// Creates a pool that keeps at most `max_bytes` idle.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self(Arc::new(IdleBuffers {
            max_bytes,
            state: Mutex::default(),
        }))
    }

    /// Takes a buffer of at least `size` bytes, and of at most twice that size.
    pub(crate) fn take(&self, size: usize) -> Buffer {
        let Some((class, capacity)) = class_of(size) else {
            return Buffer {
                bytes: vec![0; size],
                pool: None,
            };
        };
        let idle = {
            let mut state = self.0.state();
            let idle = state.classes[class].pop();
            state.bytes -= idle.as_ref().map_or(0, Vec::len);
            state.used_bytes += capacity;
            idle
        };
        Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; capacity]),
            pool: Some(Arc::clone(&self.0)),
        }
    }
}

impl IdleBuffers {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No critical section can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes idle buffers, the largest first, until at most `limit` bytes are idle.
    fn shrink(&mut self, limit: usize) -> Vec<Vec<u8>> {
        let mut freed = Vec::new();
        for class in self.classes.iter_mut().rev() {
            while self.bytes > limit {
                let Some(buffer) = class.pop() else { break };
                self.bytes -= buffer.len();
                freed.push(buffer);
            }
        }
        freed
    }
}

/// Returns the size class for `size` bytes and the size of its buffers. Returns `None` if buffers of this
/// size are not reused.
fn class_of(size: usize) -> Option<(usize, usize)> {
    if size < SMALLEST {
        return None;
    }
    (0..CLASSES)
        .map(|class| (class, (SMALLEST << class) + SLACK))
        .find(|(_, capacity)| *capacity >= size)
}

impl Buffer {
    /// Returns the whole buffer, which may still hold old data.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Returns the first `length` bytes without a copy.
    pub(crate) fn into_bytes(mut self, length: usize) -> Bytes {
        if self.pool.is_none() {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(length);
            return bytes.into();
        }
        Bytes::from_owner(Filled {
            buffer: self,
            length,
        })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(pool) = &self.pool else { return };
        let bytes = std::mem::take(&mut self.bytes);
        let Some((class, _)) = class_of(bytes.len()) else {
            return;
        };
        let mut state = pool.state();
        state.used_bytes -= bytes.len();
        state.bytes += bytes.len();
        state.classes[class].push(bytes);
        // What many readers needed goes back to the system when they are gone.
        let limit = state.used_bytes.max(RESERVE).min(pool.max_bytes);
        let freed = state.shrink(limit);
        drop(state);
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(buffers: &Buffers) -> usize {
        buffers.0.state().bytes
    }

    #[test]
    fn a_buffer_returns_to_the_pool_when_its_last_bytes_are_dropped() {
        let buffers = Buffers::new(1 << 20);
        let mut buffer = buffers.take(100_000);
        buffer.as_mut()[..3].copy_from_slice(b"abc");
        let bytes = buffer.into_bytes(3);
        assert_eq!(bytes, "abc");
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!(idle(&buffers), 0);
        drop(part);
        assert_eq!(idle(&buffers), (128 << 10) + SLACK);
        let again = buffers.take(100_000);
        assert_eq!((&again.bytes[..3], idle(&buffers)), (&b"abc"[..], 0));
    }

    #[test]
    fn old_data_in_a_buffer_is_not_part_of_the_bytes() {
        let buffers = Buffers::new(1 << 20);
        let mut first = buffers.take(SMALLEST);
        first.as_mut().fill(b'x');
        drop(first);
        let second = buffers.take(SMALLEST).into_bytes(0);
        assert!(second.is_empty());
    }

    #[test]
    fn idle_buffers_stay_within_the_limit() {
        let buffers = Buffers::new(SMALLEST * 2 + SLACK);
        let taken: Vec<_> = (0..4).map(|_| buffers.take(SMALLEST)).collect();
        drop(taken);
        assert_eq!(idle(&buffers), SMALLEST + SLACK);
        drop(buffers.take(SMALLEST * 4));
        assert_eq!(idle(&buffers), SMALLEST + SLACK);
    }

    #[test]
    fn idle_buffers_are_freed_when_few_are_in_use() {
        let buffers = Buffers::new(4 * RESERVE);
        let size = 1 << 20;
        let taken: Vec<_> = (0..64).map(|_| buffers.take(size)).collect();
        drop(taken);
        assert!(idle(&buffers) <= RESERVE && idle(&buffers) > RESERVE / 2);
        assert_eq!(buffers.0.state().used_bytes, 0);
        // As many may be idle as are in use.
        let mut taken: Vec<_> = (0..64).map(|_| buffers.take(size)).collect();
        taken.truncate(33);
        assert_eq!(idle(&buffers), 31 * (size + SLACK));
    }

    #[test]
    fn every_buffer_has_at_least_the_requested_size() {
        let buffers = Buffers::new(1 << 20);
        for size in [0, 1, SMALLEST - 1, SMALLEST, SMALLEST + 1, (1 << 20) + 1] {
            let buffer = buffers.take(size);
            assert!(
                buffer.bytes.len() >= size && buffer.bytes.len() <= size * 2 + SLACK,
                "{size}"
            );
        }
    }
}
