//! The files in the root, layout version 2, and what is left of version 1.
//!
//! | name | content |
//! |---|---|
//! | `artifact-format` | the format marker: one line with the backend's name and the layout version |
//! | `artifact-store-id` | the store id: one line; missing until a database is joined to the blobs |
//! | `blobs/` | the 16 fan-out folders `0` to `f` |
//! | `blobs/x/` | the blobs whose ids begin with `x`, each named by its id of 32 hexadecimal digits |
//! | `failed-sync` | exists after a failed sync; says what an operator must do |
//! | `staging/` | named temporary files; used only on file systems without `O_TMPFILE` |
//!
//! A hashed folder of ext4 holds about 10.1 million such names with blocks of 4 KiB, and 1.25 million with
//! 2 KiB, so the root holds 162 or 20 million. More folders would make opening a new root slower: each is
//! created and synced then.
//!
//! Version 1 had all blobs in `blobs/`. The Linux profile moves them.

use artifact_backend::{ArtifactId, random};

/// The folder of the fan-out folders.
pub(crate) const BLOBS: &str = "blobs";
/// The folder of the named temporary files.
pub(crate) const STAGING: &str = "staging";
/// The file that marks a folder as the root of a store.
pub(crate) const MARKER: &str = "artifact-format";
/// The file that records a failed sync.
pub(crate) const FAILED_SYNC: &str = "failed-sync";
/// The file of the store id. Its name is not an id, and it is not in the folder of blobs, so no artifact id
/// leads to it.
pub(crate) const STORE_ID: &str = "artifact-store-id";
/// The content of [`FAILED_SYNC`].
pub(crate) const FAILED_SYNC_TEXT: &str = "A sync of this root failed, so it is not known which of the latest blobs are on the disk.\n\
    1. Stop every process that uses this root.\n\
    2. Check the disk (dmesg, smartctl), unmount it, repair it with fsck, and mount it again.\n\
    3. Remove this file and start again. Blobs that were acknowledged before are complete.\n";
/// The names that a root may contain before it has a format marker.
pub(crate) const RESERVED: [&str; 4] = [BLOBS, STAGING, MARKER, FAILED_SYNC];

/// The number of fan-out folders.
pub(crate) const FAN_OUT: u8 = 16;

/// Returns the numbers of all fan-out folders.
pub(crate) fn fan_out() -> impl Iterator<Item = u8> {
    0..FAN_OUT
}

/// Returns the number of the fan-out folder of a blob.
pub(crate) fn fan_out_of(id: ArtifactId) -> u8 {
    id.as_bytes()[0] >> 4
}

/// Returns the name of a fan-out folder: a hexadecimal digit.
pub(crate) fn fan_out_name(number: u8) -> String {
    format!("{number:x}")
}

/// The length of the name of a fan-out folder and of the slash after it.
const PREFIX: usize = 2;

/// The name of a blob, without allocation.
pub(crate) struct BlobName([u8; PREFIX + ArtifactId::TEXT_LEN]);

impl BlobName {
    pub(crate) fn of(id: ArtifactId) -> Self {
        let mut text = [0; ArtifactId::TEXT_LEN];
        id.encode(&mut text);
        let mut path = [b'/'; PREFIX + ArtifactId::TEXT_LEN];
        path[..PREFIX - 1].copy_from_slice(&text[..PREFIX - 1]);
        path[PREFIX..].copy_from_slice(&text);
        Self(path)
    }

    /// Returns the path in [`BLOBS`].
    pub(crate) fn path(&self) -> &str {
        str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }

    /// Returns the name of the fan-out folder.
    pub(crate) fn folder(&self) -> &str {
        &self.path()[..PREFIX - 1]
    }

    /// Returns the name in the fan-out folder.
    pub(crate) fn as_str(&self) -> &str {
        &self.path()[PREFIX..]
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

/// What the name of a temporary file begins with. An id follows.
pub(crate) const STAGING_PREFIX: &str = "upload-";

/// Returns a new name for a temporary file. It is not an id, so it cannot be mistaken for a blob.
pub(crate) fn staging_name() -> String {
    let bytes: [u8; ArtifactId::BYTES] = random::bytes();
    format!("{STAGING_PREFIX}{}", ArtifactId::from_bytes(bytes))
}
