//! The chunk digests that readers needed lately.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::list::ChunkDigests;
use super::pieces::PieceDigests;

/// The memory for each of the two parts, in bytes.
const MAX_BYTES: u64 = 8 << 20;
/// What an entry takes besides its digests, in bytes.
const ENTRY_BYTES: u64 = 150;
/// About how many entries there are. The cache divides its memory into shards, and no shard has fewer than 32 of them: so a
/// list of 128 KiB fits into a shard.
const LISTS: usize = 256;
const PIECES: usize = 8192;

/// The digests of chunks, and of the pieces of chunks of which only a part was read. Those used least are evicted.
///
/// Both never change, so an entry is right for ever. An entry of a removed artifact is not used, because its row is not
/// found.
#[derive(Debug)]
pub(crate) struct DigestCache {
    lists: Cache<ArtifactId, KnownDigests, Memory>,
    pieces: Cache<(ArtifactId, u64), Arc<PieceDigests>, Memory>,
}

/// What is known of the chunk digests of an artifact: the list, or that it has none.
#[derive(Debug, Clone)]
pub(crate) struct KnownDigests(pub(crate) Option<Arc<ChunkDigests>>);

/// Weighs an entry by the memory that it takes.
#[derive(Debug, Clone)]
struct Memory;

impl Weighter<ArtifactId, KnownDigests> for Memory {
    fn weight(&self, _: &ArtifactId, known: &KnownDigests) -> u64 {
        let bytes = known.0.as_ref().map_or(0, |list| list.as_bytes().len());
        ENTRY_BYTES + bytes as u64
    }
}

impl Weighter<(ArtifactId, u64), Arc<PieceDigests>> for Memory {
    fn weight(&self, _: &(ArtifactId, u64), pieces: &Arc<PieceDigests>) -> u64 {
        ENTRY_BYTES + pieces.memory()
    }
}

impl Default for DigestCache {
    fn default() -> Self {
        Self {
            lists: Cache::with_weighter(LISTS, MAX_BYTES, Memory),
            pieces: Cache::with_weighter(PIECES, MAX_BYTES, Memory),
        }
    }
}

impl DigestCache {
    /// Returns what is known of the digests of an artifact.
    pub(crate) fn list(&self, id: ArtifactId) -> Option<KnownDigests> {
        self.lists.get(&id)
    }

    pub(crate) fn insert_list(&self, id: ArtifactId, list: Option<Arc<ChunkDigests>>) {
        self.lists.insert(id, KnownDigests(list));
    }

    /// Returns the digests of the pieces of a chunk.
    pub(crate) fn pieces(&self, id: ArtifactId, chunk: u64) -> Option<Arc<PieceDigests>> {
        self.pieces.get(&(id, chunk))
    }

    pub(crate) fn insert_pieces(&self, id: ArtifactId, chunk: u64, pieces: Arc<PieceDigests>) {
        self.pieces.insert((id, chunk), pieces);
    }

    /// Removes what is known about an artifact that was removed, except its pieces, which are evicted.
    pub(crate) fn forget(&self, id: ArtifactId) {
        self.lists.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::hasher::ChunkHasher;
    use super::*;

    #[test]
    fn the_cache_is_bounded_by_the_memory_of_its_entries() {
        let cache = DigestCache::default();
        let mut hasher = ChunkHasher::new();
        hasher.update(&vec![1; 64 << 20]);
        let list = Arc::new(hasher.finish().unwrap());
        assert_eq!(list.as_bytes().len(), 32 << 10);
        for n in 0..1000_u128 {
            cache.insert_list(
                ArtifactId::from_bytes(n.to_be_bytes()),
                Some(Arc::clone(&list)),
            );
        }
        let held = Arc::strong_count(&list) - 1;
        assert!(
            (100..=256).contains(&held),
            "{held} lists of 32 KiB in 8 MiB"
        );
    }
}
