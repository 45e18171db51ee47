//! The part that fills.

use bytes::{Bytes, BytesMut};
use object_store::PutPayload;

/// A part is gathered in buffers of so many bytes: one for a whole part would be moved as it grows.
const BUFFER: usize = 256 << 10;

/// Bytes gathered for one part.
///
/// They are copied. A piece may be a small part of a large buffer that it would keep alive, or may
/// come from a pool that runs dry while parts wait for the network; a copy costs less than a
/// hundredth of what sending it does.
#[derive(Debug, Default)]
pub(crate) struct PartBuffer {
    full: Vec<Bytes>,
    filling: BytesMut,
    bytes: u64,
}

impl PartBuffer {
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            let room = BUFFER - self.filling.len();
            let (fits, rest) = piece.split_at(room.min(piece.len()));
            self.filling.extend_from_slice(fits);
            piece = rest;
            if self.filling.len() == BUFFER {
                self.seal();
            }
        }
    }

    /// What was gathered, in order; the buffer is empty then.
    pub(crate) fn take(&mut self) -> PutPayload {
        self.seal();
        self.bytes = 0;
        std::mem::take(&mut self.full).into_iter().collect()
    }

    fn seal(&mut self) {
        if !self.filling.is_empty() {
            self.full.push(std::mem::take(&mut self.filling).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{BUFFER, PartBuffer};

    #[test]
    fn pieces_of_any_size_come_out_in_order() {
        let all: Vec<u8> = (0..=250).cycle().take(3 * BUFFER + 5).collect();
        for size in [
            1_000,
            BUFFER - 1,
            BUFFER,
            BUFFER + 1,
            2 * BUFFER + 3,
            all.len(),
        ] {
            let mut buffer = PartBuffer::default();
            for piece in all.chunks(size) {
                buffer.push(piece);
            }
            assert_eq!(buffer.len(), all.len() as u64);
            let payload = buffer.take();
            assert_eq!(Bytes::from(payload), all, "{size}");
            assert_eq!(buffer.len(), 0);
            assert!(Bytes::from(buffer.take()).is_empty());
        }
    }
}
