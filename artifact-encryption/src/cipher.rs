//! The key derivation and the AEAD of one message.
//!
//! C2SP chunked-encryption, "Key derivation" and "AEAD usage".

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce, Tag};
use artifact_backend::ArtifactId;
use hmac::{Hmac, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::key::EncryptionKey;
use crate::message::{COMMITMENT, SALT, TAG};

/// The length of a nonce in bytes.
const NONCE: usize = 12;
/// The length of the output of SHA-512 in bytes.
const HASH: usize = 64;

const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+";
/// The names in IANA's registry of AEAD algorithms.
const AES_128: &[u8] = b"AEAD_AES_128_GCM";
const AES_256: &[u8] = b"AEAD_AES_256_GCM";

/// The AEAD of one message, with the key and the base nonce that were derived for it. Both are overwritten on drop.
pub(crate) struct Cipher {
    aead: Aead,
    base_nonce: Zeroizing<[u8; NONCE]>,
}

// In boxes, so that moving the cipher leaves no copy of its key behind.
enum Aead {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
}

/// A chunk is not the one that was encrypted at its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forged;

impl Cipher {
    /// Derives the cipher and the commitment of the message with this salt. The context is the id of the blob.
    pub(crate) fn derive(
        key: &EncryptionKey,
        salt: &[u8; SALT],
        id: ArtifactId,
    ) -> (Self, [u8; COMMITMENT]) {
        let key_len = key.as_bytes().len();
        let name = if key_len == 16 { AES_128 } else { AES_256 };
        let info = [LABEL, name, &[0], salt, id.as_bytes()];
        let derived = expand(key.as_bytes(), &info);
        let (key, rest) = derived.split_at(key_len);
        let (nonce, rest) = rest.split_at(NONCE);
        let fits = "the key has the length of the algorithm that was chosen by it";
        let aead = if key_len == 16 {
            Aead::Aes128(Box::new(Aes128Gcm::new_from_slice(key).expect(fits)))
        } else {
            Aead::Aes256(Box::new(Aes256Gcm::new_from_slice(key).expect(fits)))
        };
        let mut base_nonce = Zeroizing::new([0; NONCE]);
        base_nonce.copy_from_slice(nonce);
        let mut commitment = [0; COMMITMENT];
        commitment.copy_from_slice(&rest[..COMMITMENT]);
        (Self { aead, base_nonce }, commitment)
    }

    /// Encrypts a chunk in place and returns its tag.
    pub(crate) fn seal(&self, number: u64, chunk: &mut [u8]) -> [u8; TAG] {
        let nonce = self.nonce(number);
        let sealed = match &self.aead {
            Aead::Aes128(aead) => aead.encrypt_inout_detached(&nonce, &[], chunk.into()),
            Aead::Aes256(aead) => aead.encrypt_inout_detached(&nonce, &[], chunk.into()),
        };
        // AES-GCM takes 64 GiB.
        sealed.expect("a chunk has at most 16 KiB").into()
    }

    /// Checks the tag of a chunk and decrypts the chunk in place. A forged chunk is left as it is.
    pub(crate) fn open(&self, number: u64, chunk: &mut [u8], tag: [u8; TAG]) -> Result<(), Forged> {
        let (nonce, tag) = (self.nonce(number), Tag::from(tag));
        let opened = match &self.aead {
            Aead::Aes128(aead) => aead.decrypt_inout_detached(&nonce, &[], chunk.into(), &tag),
            Aead::Aes256(aead) => aead.decrypt_inout_detached(&nonce, &[], chunk.into(), &tag),
        };
        opened.map_err(|_| Forged)
    }

    /// The base nonce XOR the number of the chunk, as a big-endian integer of the same length.
    fn nonce(&self, number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = *self.base_nonce;
        for (byte, counter) in nonce[NONCE - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce.into()
    }
}

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3): the first two blocks, which is more than any AEAD here needs.
///
/// Written here because the crate `hkdf` refuses a key that is shorter than the hash, and the keys of this format are.
fn expand(key: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; 2 * HASH]> {
    let keyed =
        <Hmac<Sha512> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    let block = |former: &[u8], number: u8, output: &mut [u8]| {
        let mut mac = keyed.clone();
        mac.update(former);
        for part in info {
            mac.update(part);
        }
        mac.update(&[number]);
        output
            .copy_from_slice(&Zeroizing::new(<[u8; HASH]>::from(mac.finalize().into_bytes()))[..]);
    };
    let mut output = Zeroizing::new([0; 2 * HASH]);
    let (first, second) = output.split_at_mut(HASH);
    block(&[], 1, first);
    block(first, 2, second);
    output
}
