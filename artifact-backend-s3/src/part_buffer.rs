//! The buffer of the part that is being filled.

use bytes::{Bytes, BytesMut};
use object_store::PutPayload;

/// The size of one buffer in bytes. A single buffer for a whole part would be copied as it grows.
const BUFFER_BYTES: usize = 256 << 10;

/// The bytes of one part.
///
/// Chunks are copied into it. A chunk may be a small slice of a large buffer, which it would keep
/// alive, or come from a pool that would run dry while parts wait for the network. The copy costs
/// less than a hundredth of the time that sending takes.
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

    pub(crate) fn push(&mut self, mut chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        while !chunk.is_empty() {
            let room = BUFFER_BYTES - self.filling.len();
            let (fits, rest) = chunk.split_at(room.min(chunk.len()));
            self.filling.extend_from_slice(fits);
            chunk = rest;
            if self.filling.len() == BUFFER_BYTES {
                self.seal();
            }
        }
    }

    /// Returns the bytes in order and leaves the buffer empty.
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

    use super::{BUFFER_BYTES, PartBuffer};

    #[test]
    fn chunks_of_any_size_come_out_in_order() {
        let all: Vec<u8> = (0..=250).cycle().take(3 * BUFFER_BYTES + 5).collect();
        for size in [
            1_000,
            BUFFER_BYTES - 1,
            BUFFER_BYTES,
            BUFFER_BYTES + 1,
            2 * BUFFER_BYTES + 3,
            all.len(),
        ] {
            let mut buffer = PartBuffer::default();
            for chunk in all.chunks(size) {
                buffer.push(chunk);
            }
            assert_eq!(buffer.len(), all.len() as u64);
            let payload = buffer.take();
            assert_eq!(Bytes::from(payload), all, "{size}");
            assert_eq!(buffer.len(), 0);
            assert!(Bytes::from(buffer.take()).is_empty());
        }
    }
}
