//! Decrypts the chunks of a message.

use artifact_backend::{ArtifactId, Operation, Result};
use subtle::ConstantTimeEq;

use crate::cipher::{Cipher, Forged};
use crate::error;
use crate::key::EncryptionKeys;
use crate::message::{HEADER, SALT, SEALED_CHUNK, TAG};

/// A message whose key is known, because the commitment in its header is the one of that key.
pub(crate) struct Opener {
    cipher: Cipher,
    id: ArtifactId,
    operation: Operation,
}

impl Opener {
    /// Finds the key of a message by the message's header.
    pub(crate) fn new(
        keys: &EncryptionKeys,
        header: &[u8],
        id: ArtifactId,
        operation: Operation,
    ) -> Result<Self> {
        let header = <&[u8; HEADER]>::try_from(header).ok();
        let parts = header.and_then(|header| header.split_first_chunk::<SALT>());
        let (salt, stored) = parts.ok_or_else(|| error::no_key(operation, id))?;
        let ciphers = keys.all().map(|key| Cipher::derive(key, salt, id));
        for (cipher, commitment) in ciphers {
            if bool::from(commitment.as_slice().ct_eq(stored)) {
                return Ok(Self {
                    cipher,
                    id,
                    operation,
                });
            }
        }
        Err(error::no_key(operation, id))
    }

    /// Decrypts chunks in place, moves their plain bytes together at the front, and returns the number of plain bytes.
    /// `sealed` holds whole chunks from number `first` on, the last of which may be shorter.
    pub(crate) fn open(&self, first: u64, sealed: &mut [u8]) -> Result<usize> {
        let (mut from, mut plain) = (0, 0);
        let mut number = first;
        while from < sealed.len() {
            let end = sealed.len().min(from + SEALED_CHUNK);
            let len = self.open_one(number, &mut sealed[from..end])?;
            sealed.copy_within(from..from + len, plain);
            (from, plain) = (end, plain + len);
            number += 1;
        }
        Ok(plain)
    }

    fn open_one(&self, number: u64, sealed: &mut [u8]) -> Result<usize> {
        let forged = |Forged| error::forged(self.operation, self.id, number);
        let parts = sealed.split_last_chunk_mut::<TAG>();
        let (chunk, tag) = parts.ok_or(Forged).map_err(forged)?;
        self.cipher.open(number, chunk, *tag).map_err(forged)?;
        Ok(chunk.len())
    }
}
