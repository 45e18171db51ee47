//! Ed25519 keys and their texts.

use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::base64;
use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::key_name::KeyName;

/// The type of Ed25519 signatures in [signed-note](https://c2sp.org/signed-note).
const ED25519_TYPE: u8 = 1;
/// How the text of a signing key begins, as in golang.org/x/mod/sumdb/note.
const PRIVATE: &str = "PRIVATE+KEY+";

/// A key that signs receipts and checkpoints. `Debug` shows its name only.
///
/// Its text is that of golang.org/x/mod/sumdb/note: `PRIVATE+KEY+<name>+<id>+<key>`. Keep it secret.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Makes the key of a seed, which must be 32 random bytes.
    ///
    /// # Panics
    ///
    /// Never: each seed has a key.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed has 32 bytes");
        let public = pair.public_key().as_ref().try_into();
        let public = public.expect("an Ed25519 key has 32 bytes");
        Self {
            seed: Zeroizing::new(*seed),
            verifier: VerifierKey::new(name, public),
            pair,
        }
    }

    /// Returns the name, which is the origin of the log.
    pub fn name(&self) -> &KeyName {
        &self.verifier.name
    }

    /// Returns the public key.
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Returns the text of the key, which is secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let Self { seed, verifier, .. } = self;
        let mut bytes = Zeroizing::new([ED25519_TYPE; 33]);
        bytes[1..].copy_from_slice(&**seed);
        let seed = Zeroizing::new(base64::encode(&*bytes));
        let (name, id) = (&verifier.name, verifier.id_text());
        Zeroizing::new(format!("{PRIVATE}{name}+{id}+{}", *seed))
    }

    /// Signs a text. The same text always has the same signature.
    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        let signature = self.pair.sign(text.as_bytes());
        let bytes = signature.as_ref().try_into();
        bytes.expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", self.name())
            .finish_non_exhaustive()
    }
}

impl FromStr for SigningKey {
    type Err = ReceiptError;

    /// Parses the text of a key, without white space around it.
    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let malformed =
            || ReceiptError::malformed("it is not a signing key, PRIVATE+KEY+<name>+<id>+<key>");
        let rest = text.strip_prefix(PRIVATE).ok_or_else(malformed)?;
        let mut parts = rest.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(malformed);
        let (name, id, seed) = (part()?.parse()?, part()?, part()?);
        let bytes: Option<[u8; 33]> = base64::decode_array(seed);
        let bytes = Zeroizing::new(bytes.ok_or_else(malformed)?);
        let (kind, seed) = bytes.split_at(1);
        let key = Self::from_seed(name, seed.try_into().map_err(|_| malformed())?);
        if kind != [ED25519_TYPE] || id != key.verifier.id_text() {
            return Err(malformed());
        }
        Ok(key)
    }
}

/// A public key that verifies receipts and checkpoints. Prints as `<name>+<id>+<key>`, the verifier key of
/// [signed-note](https://c2sp.org/signed-note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    public: [u8; 32],
}

impl VerifierKey {
    /// Makes a key of the 32 bytes of RFC 8032.
    pub fn new(name: KeyName, public: [u8; 32]) -> Self {
        Self { name, public }
    }

    /// Returns the name, which is the origin of the log.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the first four bytes of the SHA-256 of name and key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_str())
            .chain_update([b'\n', ED25519_TYPE])
            .chain_update(self.public)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn id_text(&self) -> String {
        let mut text = [0; 8];
        let text = base16ct::lower::encode_str(&self.id(), &mut text);
        text.expect("all digits have room").to_owned()
    }

    /// Verifies the signature of a text.
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Result<(), ReceiptError> {
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        key.verify(text.as_bytes(), signature).map_err(|_| {
            let detail = format!(
                "the signature of {} is wrong: the text was changed, or the signature was",
                self.name
            );
            ReceiptError::new(ReceiptErrorKind::BadSignature, detail)
        })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [ED25519_TYPE; 33];
        bytes[1..].copy_from_slice(&self.public);
        write!(
            f,
            "{}+{}+{}",
            self.name,
            self.id_text(),
            base64::encode(&bytes)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = ReceiptError;

    /// Parses the text of a key, without white space around it.
    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::malformed("it is not a public key, <name>+<id>+<key>");
        if text.starts_with(PRIVATE) {
            return Err(ReceiptError::malformed(
                "it is a signing key, which must stay secret; the public key is needed",
            ));
        }
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(malformed);
        let (name, id, key) = (part()?.parse()?, part()?, part()?);
        let bytes: [u8; 33] = base64::decode_array(key).ok_or_else(malformed)?;
        let (kind, public) = bytes.split_at(1);
        let key = Self::new(name, public.try_into().map_err(|_| malformed())?);
        if kind != [ED25519_TYPE] || id != key.id_text() {
            return Err(malformed());
        }
        Ok(key)
    }
}
