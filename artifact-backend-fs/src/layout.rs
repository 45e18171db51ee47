//! The files in the root, layout version 1.
//!
//! | name | content |
//! |---|---|
//! | `artifact-format` | the format marker: one line with the backend's name and the layout version |
//! | `artifact-store-id` | the store id: one line; missing until a database is joined to the blobs |
//! | `blobs/` | all blobs, each named by its id of 32 hexadecimal digits; flat |
//! | `staging/` | named temporary files; used only on file systems without `O_TMPFILE` |
//!
//! `blobs/` is flat because subfolders were not faster (0.89 to 1.07 times the speed at 10,000 and
//! 250,000 blobs), and each subfolder is one more name to make durable.

use artifact_backend::{ArtifactId, random};

/// The folder of the blobs.
pub(crate) const BLOBS: &str = "blobs";
/// The folder of the named temporary files.
pub(crate) const STAGING: &str = "staging";
/// The file that marks a folder as the root of a store.
pub(crate) const MARKER: &str = "artifact-format";
/// The content of the marker for this layout.
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

/// Returns whether e2fsck(8) made this name from a torn blob name: some digits are dots.
///
/// ext4 without a journal writes a folder's block sector by sector. A power cut in between can leave
/// the entry of a blob that was not yet acknowledged with zero bytes in its name. A name cannot contain
/// zero bytes, so e2fsck replaces each by a dot.
pub(crate) fn is_repaired(name: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'.');
    name.len() == ArtifactId::TEXT_LEN && name.contains(&b'.') && name.iter().all(digit)
}

/// Returns a new name for a temporary file. It is not an id, so it cannot be mistaken for a blob.
pub(crate) fn staging_name() -> String {
    let bytes: [u8; ArtifactId::BYTES] = random::bytes();
    format!("upload-{}", ArtifactId::from_bytes(bytes))
}
