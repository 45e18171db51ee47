//! Lists blobs in the order of their ids: the entries of all segments, merged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, BlobStat, Operation, Result, Shard};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::format::entry::{Content, Entry};
use crate::linux::load::blob_stat;
use crate::linux::segment::{NotCached, Sealed, Wait};
use crate::linux::shared::Shared;

/// The number of blobs that one task on the blocking pool returns.
const BATCH: usize = 1024;

/// Lists the blobs after an id, of one shard or of all.
pub(crate) async fn list(
    state: &Arc<Shared>,
    shard: Option<Shard>,
    after: Option<ArtifactId>,
) -> Result<BlobList> {
    let operation = Operation::List;
    state.root.check_alive(operation)?;
    let begin = Arc::clone(state);
    let merge = move || Merge::new(&begin, shard, after);
    let merge = state.reads.run(operation, merge).await?;
    let state = Arc::clone(state);
    let batches = stream::try_unfold(Some(merge), move |merge| {
        let state = Arc::clone(&state);
        async move {
            let Some(mut merge) = merge else {
                return Ok(None);
            };
            let work = move || {
                let batch = merge.batch()?;
                let rest = (batch.len() == BATCH).then_some(merge);
                Ok((batch, rest))
            };
            state.reads.run(operation, work).await.map(Some)
        }
    });
    let blobs = batches.map_ok(|batch| stream::iter(batch.into_iter().map(Ok)));
    Ok(blobs.try_flatten().boxed())
}

/// The entries of one segment, from some id on.
#[derive(Debug)]
struct Cursor {
    /// `None` for the entries of the open segment, which are all in memory.
    sealed: Option<Arc<Sealed>>,
    next_block: u64,
    entries: VecDeque<Entry>,
}

impl Cursor {
    /// Begins with the first entry of a sealed segment that is not before `from`.
    fn new(sealed: Arc<Sealed>, from: ArtifactId) -> Result<Self> {
        let (mut low, mut high) = (0, sealed.blocks());
        while low < high {
            let middle = low.midpoint(high);
            let last = read(&sealed, middle)?.last().map(|entry| entry.id);
            if last < Some(from) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut cursor = Self {
            sealed: Some(sealed),
            next_block: low,
            entries: VecDeque::new(),
        };
        while cursor.peek()?.is_some_and(|id| id < from) {
            cursor.entries.pop_front();
        }
        Ok(cursor)
    }

    /// Returns the id of the next entry.
    fn peek(&mut self) -> Result<Option<ArtifactId>> {
        if self.entries.is_empty()
            && let Some(sealed) = &self.sealed
            && self.next_block < sealed.blocks()
        {
            self.entries = read(sealed, self.next_block)?.into();
            self.next_block += 1;
        }
        Ok(self.entries.front().map(|entry| entry.id))
    }
}

fn read(sealed: &Sealed, block: u64) -> Result<Vec<Entry>> {
    match sealed.block(Operation::List, block, Wait::Disk)? {
        Ok(entries) => Ok(entries),
        Err(NotCached) => unreachable!("a read that waits for the disk needs no cache"),
    }
}

/// The entries of all segments in ascending order. It holds one block of 4 KiB of each segment.
#[derive(Debug)]
pub(crate) struct Merge {
    /// Newest first.
    cursors: Vec<Cursor>,
    /// The next id of each cursor. Of equal ids, the newest comes first.
    heap: BinaryHeap<Reverse<(ArtifactId, usize)>>,
    last: Option<ArtifactId>,
}

impl Merge {
    pub(crate) fn new(
        state: &Shared,
        shard: Option<Shard>,
        after: Option<ArtifactId>,
    ) -> Result<Self> {
        let (open, sealed) = state.index.sources(shard, after);
        let mut merge = Self {
            cursors: vec![Cursor {
                sealed: None,
                next_block: 0,
                entries: open.into(),
            }],
            heap: BinaryHeap::new(),
            last: shard.map(Shard::last_id),
        };
        let first = shard.map_or(ArtifactId::from(0), Shard::first_id);
        let next = match after.map(u128::from) {
            None => Some(first),
            Some(after) => after
                .checked_add(1)
                .map(|next| ArtifactId::from(next).max(first)),
        };
        let Some(from) = next.filter(|next| merge.last.is_none_or(|last| *next <= last)) else {
            merge.cursors.clear();
            return Ok(merge);
        };
        for sealed in sealed {
            merge.cursors.push(Cursor::new(sealed, from)?);
        }
        for at in 0..merge.cursors.len() {
            merge.push(at)?;
        }
        Ok(merge)
    }

    fn push(&mut self, at: usize) -> Result<()> {
        if let Some(id) = self.cursors[at].peek()?
            && self.last.is_none_or(|last| id <= last)
        {
            self.heap.push(Reverse((id, at)));
        }
        Ok(())
    }

    /// Returns the next entry, the newest of its id.
    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(Reverse((id, at))) = self.heap.pop() else {
            return Ok(None);
        };
        let entry = self.cursors[at].entries.pop_front();
        self.push(at)?;
        while let Some(Reverse((older, at))) = self.heap.peek().copied()
            && older == id
        {
            self.heap.pop();
            self.cursors[at].entries.pop_front();
            self.push(at)?;
        }
        Ok(entry)
    }

    /// Returns up to [`BATCH`] blobs; fewer at the end only.
    fn batch(&mut self) -> Result<Vec<BlobStat>> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(entry) = self.next()?
        {
            if !matches!(entry.content, Content::Tombstone { .. }) {
                batch.push(blob_stat(&entry));
            }
        }
        Ok(batch)
    }
}
