//! What lies where in the root: layout version 1.
//!
//! | name | what |
//! |---|---|
//! | `artifact-format` | one line that says whose folder this is, and its layout version |
//! | `blobs/` | every blob, named by its id, 32 hexadecimal digits; flat |
//! | `staging/` | named temporaries, and only on file systems without unnamed ones |
//!
//! Flat, because fan-out folders were no faster (0.89 to 1.07 of flat at 10,000 and 250,000 blobs)
//! and each of them is one more name to make durable.

use artifact_backend::{ArtifactId, random};

/// The folder of the blobs.
pub(crate) const BLOBS: &str = "blobs";
/// The folder of the named temporaries.
pub(crate) const STAGING: &str = "staging";
/// The file that says what this folder is.
pub(crate) const MARKER: &str = "artifact-format";
/// What the marker of this layout says.
pub(crate) const VERSION: &str = "artifact-backend-fs 1\n";

/// The name of a blob in [`BLOBS`], without allocation.
pub(crate) struct BlobName([u8; ArtifactId::TEXT_LEN]);

impl BlobName {
    pub(crate) fn of(id: ArtifactId) -> Self {
        let mut text = [0; ArtifactId::TEXT_LEN];
        id.encode(&mut text);
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

/// Whether this is what a repair makes of a blob's name that was torn: dots in place of digits.
///
/// ext4 without a journal writes a folder's block sector by sector. Where the power goes in the middle
/// of it, e2fsck(8) finds the entry of a blob that was not acknowledged yet with zeros for a part of
/// its name, which no name may hold, and replaces each by a dot.
pub(crate) fn is_mended(name: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'.');
    name.len() == ArtifactId::TEXT_LEN && name.contains(&b'.') && name.iter().all(digit)
}

/// A fresh name for a temporary. It is no id, so that it can never be taken for a blob.
pub(crate) fn staging_name() -> String {
    let bytes: [u8; ArtifactId::BYTES] = random::bytes();
    format!("upload-{}", ArtifactId::from_bytes(bytes))
}
