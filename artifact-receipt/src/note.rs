//! Signed notes.

use std::fmt;

use crate::base64;
use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::key::{SigningKey, VerifierKey};
use crate::key_name::KeyName;

/// A text with signatures, by [signed-note](https://c2sp.org/signed-note). Prints as its bytes.
///
/// Its text must not be used before [`verify`](Self::verify) returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: KeyName,
    /// The id of the key, then the signature.
    bytes: Vec<u8>,
}

impl SignedNote {
    /// The maximum length of a note in bytes.
    pub const MAX_LEN: usize = 1 << 20;
    /// The maximum number of signatures.
    pub const MAX_SIGNATURES: usize = 64;

    /// Signs a text, which must end with a line feed.
    pub(crate) fn sign(text: String, key: &SigningKey) -> Self {
        debug_assert!(is_text(&text), "the text of a note");
        let verifier = key.verifier();
        let mut bytes = verifier.id().to_vec();
        bytes.extend(key.sign(&text));
        let name = verifier.name().clone();
        Self {
            text,
            signatures: vec![Signature { name, bytes }],
        }
    }

    /// Parses a note. Verifies nothing.
    ///
    /// # Errors
    ///
    /// `Malformed`.
    pub fn parse(note: &str) -> Result<Self, ReceiptError> {
        if note.len() > Self::MAX_LEN {
            return Err(ReceiptError::malformed("the note is longer than 1 MiB"));
        }
        let malformed = || {
            ReceiptError::malformed(
                "it is not a signed note: a text, an empty line, and lines of signatures",
            )
        };
        let (before, signatures) = note.rsplit_once("\n\n").ok_or_else(malformed)?;
        // The text keeps its last line feed.
        let text = &note[..=before.len()];
        let lines = signatures.strip_suffix('\n').ok_or_else(malformed)?;
        if !is_text(text) || lines.split('\n').count() > Self::MAX_SIGNATURES {
            return Err(malformed());
        }
        let signatures = lines.split('\n').map(Signature::parse);
        let signatures: Option<Vec<_>> = signatures.collect();
        Ok(Self {
            text: text.to_owned(),
            signatures: signatures.ok_or_else(malformed)?,
        })
    }

    /// Verifies the signatures by known keys, and returns the text and a key that signed it. Other signatures are ignored.
    ///
    /// # Errors
    ///
    /// `BadSignature` if a signature by a known key is wrong, even if another one is right; `UnknownKey` if no known key signed.
    pub fn verify<'n, 'k>(
        &'n self,
        keys: &'k [VerifierKey],
    ) -> Result<(&'n str, &'k VerifierKey), ReceiptError> {
        let mut signer = None;
        for signature in &self.signatures {
            let (id, bytes) = signature.bytes.split_at(4);
            let mut known = keys.iter();
            let known = known.find(|key| *key.name() == signature.name && key.id() == id);
            if let Some(key) = known {
                key.verify(&self.text, bytes)?;
                signer = Some(key);
            }
        }
        let unknown = || {
            let names: Vec<_> = self
                .signatures
                .iter()
                .map(|signature| signature.name.as_str())
                .collect();
            let detail = format!(
                "it is signed by {}, with none of the given keys",
                names.join(", ")
            );
            ReceiptError::new(ReceiptErrorKind::UnknownKey, detail)
        };
        Ok((&self.text, signer.ok_or_else(unknown)?))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = base64::decode(bytes)?;
        let name = name.parse().ok()?;
        (bytes.len() > 4).then_some(Self { name, bytes })
    }
}

/// Returns whether a text can be signed: lines without control characters, the last of which ends with a line feed.
fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, bytes } in &self.signatures {
            writeln!(f, "— {name} {}", base64::encode(bytes))?;
        }
        Ok(())
    }
}
