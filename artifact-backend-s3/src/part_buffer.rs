//! The part that fills.

use bytes::{Bytes, BytesMut};
use object_store::PutPayload;

/// Pieces of at least this size are kept as they are. A smaller one is copied: it may be a small part
/// of a large buffer, which it would keep alive.
const KEPT: usize = 64 << 10;

/// Smaller pieces are gathered up to this size.
const GATHERED: usize = 256 << 10;

/// Bytes gathered for one part.
#[derive(Debug, Default)]
pub(crate) struct PartBuffer {
    pieces: Vec<Bytes>,
    gathering: BytesMut,
    bytes: u64,
}

impl PartBuffer {
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len() as u64;
        if piece.len() >= KEPT {
            self.seal();
            self.pieces.push(piece);
            return;
        }
        if self.gathering.len() + piece.len() > GATHERED {
            self.seal();
        }
        self.gathering.extend_from_slice(&piece);
    }

    /// What was gathered, in order; the buffer is empty then.
    pub(crate) fn take(&mut self) -> PutPayload {
        self.seal();
        self.bytes = 0;
        std::mem::take(&mut self.pieces).into_iter().collect()
    }

    fn seal(&mut self) {
        if !self.gathering.is_empty() {
            self.pieces.push(self.gathering.split().freeze());
        }
    }
}
