//! The digests of the chunks of an artifact, which verify ranges.
//!
//! They are inner nodes of the BLAKE3 tree of the artifact (<https://github.com/BLAKE3-team/BLAKE3-specs>, section 2.1): a chunk
//! has the size of a whole subtree, so two neighbours merge into the digest of a chunk of twice the size without
//! their bytes. Here, a *chunk* is this subtree, not the 1 KiB that BLAKE3 calls a chunk.

mod cache;
mod hasher;
mod list;
mod pieces;
mod tree;

pub(crate) use cache::DigestCache;
pub use hasher::ChunkHasher;
pub use list::{ChunkDigests, InvalidChunkDigests};
pub(crate) use pieces::{PieceDigests, PieceHasher};
pub(crate) use tree::subtree;
