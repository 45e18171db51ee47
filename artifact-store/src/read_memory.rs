//! The memory of chunks that readers hold: small chunks for slow readers, and one budget for the larger ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_backend::ChunkSize;
use bytes::Bytes;
use tokio::time::Instant;

/// The size of a chunk that needs no memory of the budget, in bytes.
pub(crate) const MIN_CHUNK: usize = 16 << 10;
/// The size of the first chunk of a reader, in bytes.
const FIRST_CHUNK: usize = 128 << 10;
/// The size of the largest chunk that a backend is asked for, in bytes.
pub(crate) const MAX_CHUNK: usize = 512 << 10;
/// Below this size, chunks are too small for the cache.
const MIN_CACHED_CHUNK: usize = 64 << 10;
/// A chunk is as large as what the reader takes in this time.
const PACE: Duration = Duration::from_millis(50);
/// A chunk is at most this many times as large as the one before.
const GROWTH: usize = 4;
/// One chunk takes at most this fraction (1/n) of the free memory, so that there is some for others.
const MAX_FRACTION: usize = 8;

/// The memory for chunks of more than [`MIN_CHUNK`], shared by all readers of a store.
#[derive(Debug)]
pub(crate) struct ReadMemory {
    max_bytes: usize,
    held_bytes: AtomicUsize,
}

/// A part of the memory; dropping it returns it.
#[derive(Debug)]
struct Lease {
    memory: Arc<ReadMemory>,
    bytes: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory
            .held_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl ReadMemory {
    pub(crate) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            held_bytes: AtomicUsize::new(0),
        })
    }

    /// Takes memory for a chunk of up to `wanted` bytes. Returns `None` if only a small chunk is left.
    fn take(self: &Arc<Self>, wanted: usize) -> Option<Lease> {
        let mut bytes = 0;
        let taken = self
            .held_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                let most = self.max_bytes.saturating_sub(held) / MAX_FRACTION;
                // Buffers of these sizes are reused.
                bytes = wanted.min(1 << most.checked_ilog2()?);
                (bytes > MIN_CHUNK).then_some(held + bytes)
            });
        taken.ok().map(|_| Lease {
            memory: Arc::clone(self),
            bytes,
        })
    }
}

/// Decides about the size of a reader's chunks, by how fast the reader takes them and by the memory that
/// is left.
#[derive(Debug)]
pub(crate) struct ChunkPlan {
    memory: Arc<ReadMemory>,
    size: ChunkSize,
    /// Whether the next chunk is planned.
    is_planned: bool,
    /// The memory of the next chunk, if it needs some.
    lease: Option<Lease>,
    speed: ReaderSpeed,
}

/// How fast a reader takes its bytes.
#[derive(Debug, Default)]
struct ReaderSpeed {
    /// The size of the last chunk, and when the reader got it.
    last: Option<(usize, Instant)>,
    /// How long the reader takes for a chunk. A fast chunk only halves it, because a buffer below the
    /// reader lets some chunks through at once.
    pause: Duration,
}

impl ReaderSpeed {
    /// Returns the size of the next chunk in bytes, a power of two.
    fn next_size(&mut self) -> usize {
        let Some((bytes, since)) = self.last else {
            return FIRST_CHUNK;
        };
        self.pause = since.elapsed().max(self.pause / 2);
        let taken = bytes as u128 * PACE.as_nanos() / self.pause.as_nanos().max(1);
        let most = MAX_CHUNK.min(bytes.saturating_mul(GROWTH)).max(MIN_CHUNK);
        let size = usize::try_from(taken).unwrap_or(most);
        1 << size.clamp(MIN_CHUNK, most).ilog2()
    }

    /// Notes that the reader gets a chunk now.
    fn delivered(&mut self, bytes: usize) {
        self.last = Some((bytes, Instant::now()));
    }
}

/// A chunk with its memory.
struct Leased {
    chunk: Bytes,
    _lease: Arc<Lease>,
}

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

impl ChunkPlan {
    pub(crate) fn new(memory: &Arc<ReadMemory>, size: &ChunkSize) -> Self {
        Self {
            memory: Arc::clone(memory),
            size: size.clone(),
            is_planned: false,
            lease: None,
            speed: ReaderSpeed::default(),
        }
    }

    /// Plans the next chunk of a download that has yet to deliver `remaining` bytes. `for_cache` says
    /// whether the chunk is meant for the cache. Returns whether it is large enough for that.
    pub(crate) fn plan(&mut self, remaining: u64, for_cache: bool) -> bool {
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        if !self.is_planned {
            let wanted = if for_cache {
                MAX_CHUNK
            } else {
                self.speed.next_size()
            };
            let rest = remaining.checked_next_power_of_two().unwrap_or(MAX_CHUNK);
            let lease = self.memory.take(wanted.min(rest));
            self.size
                .set(lease.as_ref().map_or(MIN_CHUNK, |lease| lease.bytes));
            self.lease = lease;
            self.is_planned = true;
        }
        self.size.get() >= remaining.min(MIN_CACHED_CHUNK)
    }

    /// Binds the chunk to its memory, which is returned with the chunk's last clone.
    pub(crate) fn deliver(&mut self, chunk: Bytes) -> Bytes {
        self.speed.delivered(chunk.len());
        self.is_planned = false;
        match self.lease.take() {
            Some(lease) if chunk.len() > MIN_CHUNK => Bytes::from_owner(Leased {
                chunk,
                _lease: Arc::new(lease),
            }),
            _ => chunk,
        }
    }
}

/// Decides how much of a verified range is read at once, by how fast the reader takes it and by the memory that is left.
#[derive(Debug)]
pub(crate) struct WindowPlan {
    memory: Arc<ReadMemory>,
    speed: ReaderSpeed,
}

/// The memory for what is read at once.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: u64,
    /// `None` if this size needs no memory of the budget.
    lease: Option<Arc<Lease>>,
}

impl WindowPlan {
    pub(crate) fn new(memory: &Arc<ReadMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            speed: ReaderSpeed::default(),
        }
    }

    /// Takes memory for at least one whole chunk of `chunk` bytes, and for more of the `rest` if the reader is fast. Returns
    /// `None` if it is too slow for one chunk or there is no memory. `adapts` says whether the backend allocates buffers of
    /// the size that the reader chooses; others need no memory of the budget for a chunk of ordinary size.
    pub(crate) fn whole_chunks(&mut self, chunk: u64, rest: u64, adapts: bool) -> Option<Window> {
        let most = MAX_CHUNK as u64;
        if !adapts && chunk <= most {
            return Some(Window::free(chunk));
        }
        let size = self.speed.next_size() as u64;
        let minimum = chunk.checked_next_power_of_two()?;
        if minimum <= MIN_CHUNK as u64 {
            return Some(Window::free(minimum));
        }
        if size < minimum.min(FIRST_CHUNK as u64) {
            return None;
        }
        let rest = rest.checked_next_power_of_two().unwrap_or(most);
        let wanted = usize::try_from(size.min(rest).max(minimum)).ok()?;
        let lease = self.memory.take(wanted)?;
        (lease.bytes as u64 >= minimum).then(|| Window {
            bytes: lease.bytes as u64,
            lease: Some(Arc::new(lease)),
        })
    }

    /// Takes memory for as many pieces of `piece` bytes of the `rest` as suit the reader. If there is no memory, the window
    /// is 16 KiB, or one piece.
    pub(crate) fn pieces(&mut self, piece: u64, rest: u64) -> Window {
        let size = self.speed.next_size();
        let rest = rest
            .checked_next_power_of_two()
            .and_then(|rest| usize::try_from(rest).ok());
        let minimum = piece.max(MIN_CHUNK as u64);
        let lease = self.memory.take(rest.map_or(size, |rest| size.min(rest)));
        match lease.filter(|lease| lease.bytes as u64 >= minimum) {
            Some(lease) => Window {
                bytes: lease.bytes as u64,
                lease: Some(Arc::new(lease)),
            },
            None => Window::free(minimum),
        }
    }

    /// Notes that the reader gets this number of bytes of a window now. A few bytes at an edge of the range say nothing about
    /// its speed.
    pub(crate) fn delivered(&mut self, bytes: usize) {
        if bytes >= MIN_CHUNK / 2 {
            self.speed.delivered(bytes);
        }
    }
}

impl Window {
    fn free(bytes: u64) -> Self {
        Self { bytes, lease: None }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Binds bytes to the memory of the window, which is returned with the last of them. A small part of a buffer of `whole`
    /// bytes is copied instead, so that it does not hold the buffer.
    pub(crate) fn bind(&self, part: Bytes, whole: usize) -> Bytes {
        if part.len() <= MIN_CHUNK && part.len() <= whole / 2 {
            return Bytes::copy_from_slice(&part);
        }
        match &self.lease {
            Some(lease) => Bytes::from_owner(Leased {
                chunk: part,
                _lease: Arc::clone(lease),
            }),
            None => part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(memory: &Arc<ReadMemory>) -> ChunkPlan {
        ChunkPlan::new(memory, &ChunkSize::new(1))
    }

    /// Plans and delivers a chunk, and returns it.
    fn next(plan: &mut ChunkPlan) -> Bytes {
        plan.plan(u64::MAX, false);
        plan.deliver(vec![0; plan.size.get()].into())
    }

    #[tokio::test(start_paused = true)]
    async fn chunks_are_as_large_as_what_the_reader_takes() {
        let memory = ReadMemory::new(64 << 20);
        let mut plan = plan(&memory);
        for expected in [FIRST_CHUNK, MAX_CHUNK, MAX_CHUNK] {
            assert_eq!(next(&mut plan).len(), expected);
        }
        // 128 KiB in 50 ms.
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(next(&mut plan).len(), 128 << 10);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(next(&mut plan).len(), MIN_CHUNK);
        // Some chunks at once do not make the reader a fast one, but many do.
        for _ in 0..5 {
            assert_eq!(next(&mut plan).len(), MIN_CHUNK);
        }
        let sizes: Vec<_> = (0..20).map(|_| next(&mut plan).len()).collect();
        assert_eq!(sizes.last(), Some(&MAX_CHUNK), "{sizes:?}");
        assert!(sizes.is_sorted(), "{sizes:?}");
    }

    #[tokio::test]
    async fn held_chunks_stay_within_the_memory_and_small_ones_need_none() {
        const MAX: usize = 8 << 20;
        let memory = ReadMemory::new(MAX);
        let mut held = Vec::new();
        for _ in 0..1000 {
            held.push(next(&mut plan(&memory)));
        }
        let larger = held.iter().filter(|chunk| chunk.len() > MIN_CHUNK);
        let leased: usize = larger.map(Bytes::len).sum();
        assert!((MAX / 2..=MAX).contains(&leased), "{leased}");
        assert_eq!(memory.held_bytes.load(Ordering::Relaxed), leased);
        assert_eq!(held.last().unwrap().len(), MIN_CHUNK);
        let part = held[0].slice(..1);
        drop(held);
        assert_eq!(memory.held_bytes.load(Ordering::Relaxed), FIRST_CHUNK);
        drop(part);
        assert_eq!(memory.held_bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_chunk_for_the_cache_is_large_or_not_cached() {
        let memory = ReadMemory::new(64 << 20);
        let mut first = plan(&memory);
        assert!(first.plan(1 << 20, true));
        assert_eq!(first.size.get(), MAX_CHUNK);
        let small = ReadMemory::new(0);
        assert!(!plan(&small).plan(1 << 20, true));
        // The rest of the artifact.
        assert!(plan(&small).plan(10_000, true));
        // A plan that is dropped returns its memory.
        drop(first);
        assert_eq!(memory.held_bytes.load(Ordering::Relaxed), 0);
    }
}
