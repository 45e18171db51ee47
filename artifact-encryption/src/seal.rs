//! Encrypts a message piece by piece.

use artifact_backend::{ArtifactId, random};
use bytes::{BufMut, BytesMut};

use crate::cipher::Cipher;
use crate::key::EncryptionKey;
use crate::message::{CHUNK, HEADER, MAX_CHUNKS, SALT, SEALED_CHUNK, TAG};

/// A message that is being encrypted. It holds less than one chunk of plain bytes.
pub(crate) struct Sealer {
    cipher: Cipher,
    /// Salt and commitment, until they are written.
    header: Option<[u8; HEADER]>,
    /// The number of the next chunk.
    number: u64,
    pending: BytesMut,
}

/// The message would have more than 2³⁸ chunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Sealer {
    /// Begins a message with a random salt.
    pub(crate) fn new(key: &EncryptionKey, id: ArtifactId) -> Self {
        Self::with_salt(key, id, random::bytes())
    }

    fn with_salt(key: &EncryptionKey, id: ArtifactId, salt: [u8; SALT]) -> Self {
        let (cipher, commitment) = Cipher::derive(key, &salt, id);
        let mut header = [0; HEADER];
        header[..SALT].copy_from_slice(&salt);
        header[SALT..].copy_from_slice(&commitment);
        Self {
            cipher,
            header: Some(header),
            number: 0,
            pending: BytesMut::new(),
        }
    }

    /// Returns the most bytes that the next calls append to their output for `len` plain bytes, all together.
    pub(crate) fn room(&self, len: usize) -> usize {
        let plain = self.pending.len() + len;
        HEADER + plain + (plain / CHUNK + 1) * TAG
    }

    /// Takes plain bytes and appends the chunks that are full now to `output`.
    pub(crate) fn update(
        &mut self,
        mut plain: &[u8],
        output: &mut BytesMut,
    ) -> Result<(), TooLong> {
        while self.pending.len() + plain.len() >= CHUNK {
            if self.number >= MAX_CHUNKS - 1 {
                // The last number is for the last chunk, which is never full.
                return Err(TooLong);
            }
            self.begin(output);
            let (now, rest) = plain.split_at(CHUNK - self.pending.len());
            let start = output.len();
            output.reserve(SEALED_CHUNK);
            output.put_slice(&self.pending);
            output.put_slice(now);
            self.pending.clear();
            self.seal(output, start);
            plain = rest;
        }
        self.pending.extend_from_slice(plain);
        Ok(())
    }

    /// Appends the last chunk, which may be empty, to `output`.
    pub(crate) fn finish(mut self, output: &mut BytesMut) {
        self.begin(output);
        let start = output.len();
        output.extend_from_slice(&self.pending);
        self.seal(output, start);
    }

    fn begin(&mut self, output: &mut BytesMut) {
        if let Some(header) = self.header.take() {
            output.extend_from_slice(&header);
        }
    }

    fn seal(&mut self, output: &mut BytesMut, start: usize) {
        let tag = self.cipher.seal(self.number, &mut output[start..]);
        output.extend_from_slice(&tag);
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        let key = EncryptionKey::from_bytes(&[1; 16]).unwrap();
        Sealer::new(&key, ArtifactId::from_bytes([2; 16]))
    }

    #[test]
    fn the_last_chunk_number_is_kept_for_the_last_chunk() {
        let mut sealer = sealer();
        sealer.number = MAX_CHUNKS - 2;
        let mut output = BytesMut::new();
        sealer.update(&[0; CHUNK], &mut output).unwrap();
        sealer.update(&[0; CHUNK - 1], &mut output).unwrap();
        let before = output.len();
        assert_eq!(sealer.update(&[0], &mut output), Err(TooLong));
        assert_eq!(output.len(), before);
    }

    #[test]
    fn every_message_has_a_salt_of_its_own() {
        let mut messages = [BytesMut::new(), BytesMut::new()];
        for output in &mut messages {
            sealer().finish(output);
        }
        assert_ne!(messages[0][..SALT], messages[1][..SALT]);
        assert_ne!(messages[0][SALT..HEADER], messages[1][SALT..HEADER]);
    }
}
