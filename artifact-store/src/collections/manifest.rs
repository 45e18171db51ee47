//! The manifest of a sealed collection.

use std::sync::Arc;

use artifact_backend::Sha256Digest;
use sha2::{Digest as _, Sha256};

use super::catalog::{CollectionCatalog, NameBound};
use super::collection::Collection;
use super::file::CollectionFile;
use crate::error::Result;

/// The files of one page.
const PAGE: u32 = 1_000;

/// Reads the manifest of a sealed collection: its files in the order of the bytes of their names, and one digest over all of
/// them. It is the same at every time: a file that has expired since is still in it.
///
/// The memory does not grow with the collection.
#[derive(Debug)]
pub struct ManifestReader {
    catalog: Arc<dyn CollectionCatalog>,
    collection: Collection,
    from: Option<NameBound>,
    digest: ManifestDigest,
}

impl ManifestReader {
    pub(super) fn new(catalog: Arc<dyn CollectionCatalog>, collection: Collection) -> Self {
        Self {
            catalog,
            collection,
            from: Some(NameBound::From(String::new())),
            digest: ManifestDigest::default(),
        }
    }

    /// Returns the collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Returns the next files, up to 1,000; `None` after the last ones.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a stored record is not one of this store; `Unavailable` and the kinds that an operator must resolve. The same
    /// files can be read again then.
    pub async fn next(&mut self) -> Result<Option<Vec<CollectionFile>>> {
        let Some(from) = &self.from else {
            return Ok(None);
        };
        let files = self.catalog.files(self.collection.id, from, true, PAGE);
        let files = files.await?;
        for file in &files {
            self.digest.add(file);
        }
        let last = files.last().filter(|_| files.len() == PAGE as usize);
        self.from = last.map(|last| NameBound::After(last.path.as_str().to_owned()));
        Ok(Some(files).filter(|files| !files.is_empty()))
    }

    /// Returns the digest of the files so far: once [`next`](Self::next) has returned `None`, that of the manifest.
    pub fn digest(&self) -> &ManifestDigest {
        &self.digest
    }
}

/// The digest over the files of a manifest: the SHA-256 of one line for each file, which has the SHA-256 of its bytes in
/// lower-case hexadecimal, two spaces, its name and a line feed. That is what `sha256sum` prints for the files in the order of their
/// names.
#[derive(Debug, Clone, Default)]
pub struct ManifestDigest {
    hasher: Sha256,
    files: u64,
    bytes: u64,
}

impl ManifestDigest {
    /// Adds a file. The files must come in the order of the bytes of their names.
    pub fn add(&mut self, file: &CollectionFile) {
        let CollectionFile { path, sha256, .. } = file;
        self.hasher.update(format!("{sha256}  {path}\n"));
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.size);
    }

    /// Returns the number of files so far.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Returns the sum of their sizes in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the digest.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.hasher.clone().finalize().into())
    }
}
