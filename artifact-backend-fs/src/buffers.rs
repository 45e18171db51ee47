//! Memory that blobs are read into, used again: a fresh megabyte costs its page faults and its
//! zeroing, which take longer than the copy out of the page cache.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Smaller blobs are read into fresh memory, which costs them nothing.
pub(crate) const SMALLEST: usize = 64 << 10;
/// Buffers are of `SMALLEST` times a power of two, up to 128 MiB.
const CLASSES: usize = 12;
/// Room behind a size that is a power of two, for the byte that shows that a file grew.
const SLACK: usize = 64;

/// Idle buffers, by size. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Buffers(Arc<Idle>);

#[derive(Debug)]
struct Idle {
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    classes: [Vec<Vec<u8>>; CLASSES],
}

/// Initialised memory of at least the size that was asked for. Dropping it, or the last of the
/// [`Bytes`] that it became, gives it back.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Option<Arc<Idle>>,
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
    /// Keeps at most so many bytes idle.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self(Arc::new(Idle {
            most_bytes,
            state: Mutex::default(),
        }))
    }

    /// A buffer of at least `size` bytes, at most twice as large.
    pub(crate) fn take(&self, size: usize) -> Buffer {
        let Some((class, capacity)) = class_of(size) else {
            return Buffer {
                bytes: vec![0; size],
                home: None,
            };
        };
        let idle = {
            let mut state = self.0.state();
            let idle = state.classes[class].pop();
            state.bytes -= idle.as_ref().map_or(0, Vec::len);
            idle
        };
        Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; capacity]),
            home: Some(Arc::clone(&self.0)),
        }
    }
}

impl Idle {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in the critical sections leaves it in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where buffers for `size` bytes are kept, and how large they are; nowhere for the smallest and the
/// largest.
fn class_of(size: usize) -> Option<(usize, usize)> {
    if size < SMALLEST {
        return None;
    }
    (0..CLASSES)
        .map(|class| (class, (SMALLEST << class) + SLACK))
        .find(|(_, capacity)| *capacity >= size)
}

impl Buffer {
    /// All of it: what it held before is still there.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `length` bytes, without a copy.
    pub(crate) fn into_bytes(mut self, length: usize) -> Bytes {
        if self.home.is_none() {
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
        let Some(home) = &self.home else { return };
        let bytes = std::mem::take(&mut self.bytes);
        let Some((class, _)) = class_of(bytes.len()) else {
            return;
        };
        let mut state = home.state();
        if state.bytes + bytes.len() <= home.most_bytes {
            state.bytes += bytes.len();
            state.classes[class].push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(buffers: &Buffers) -> usize {
        buffers.0.state().bytes
    }

    #[test]
    fn a_buffer_comes_back_when_the_last_of_its_bytes_is_dropped() {
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
    fn what_is_handed_out_ends_where_it_was_filled_to() {
        let buffers = Buffers::new(1 << 20);
        let mut first = buffers.take(SMALLEST);
        first.as_mut().fill(b'x');
        drop(first);
        // The former content lies in the buffer, and not in the bytes.
        let second = buffers.take(SMALLEST).into_bytes(0);
        assert!(second.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let buffers = Buffers::new(SMALLEST * 2 + SLACK);
        let taken: Vec<_> = (0..4).map(|_| buffers.take(SMALLEST)).collect();
        drop(taken);
        assert_eq!(idle(&buffers), SMALLEST + SLACK);
        drop(buffers.take(SMALLEST * 4));
        assert_eq!(idle(&buffers), SMALLEST + SLACK);
    }

    #[test]
    fn every_size_gets_what_it_asks_for() {
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
