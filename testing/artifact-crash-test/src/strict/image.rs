//! The image of a whole file system at rest, in memory.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::hash::{Hash as _, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::event::Edit;
use crate::digest::Digest;

/// The inode number of the root, as FUSE defines it.
pub(crate) const ROOT: u64 = 1;
/// The inode number of the subject's standard output. The file is in no folder.
pub(crate) const STDOUT: u64 = 2;
/// The name of the folder below the mount that is the subject's root. It is durable before the run.
pub const STORE: &str = "store";

/// An inode.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inode {
    /// The content.
    pub kind: InodeKind,
    /// The permission bits.
    pub mode: u32,
    /// The owner and the group.
    pub owner: (u32, u32),
}

/// The content of an inode.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum InodeKind {
    /// The bytes of a file.
    File(Arc<Content>),
    /// The names in a folder.
    Folder(BTreeMap<OsString, u64>),
    /// The target of a symbolic link.
    Symlink(OsString),
}

/// The bytes of a file. Computes their digest at most once.
#[derive(Debug, Default)]
pub struct Content {
    bytes: Vec<u8>,
    digest: OnceLock<Digest>,
}

impl Content {
    pub(crate) fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            digest: OnceLock::new(),
        })
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }
}

impl Inode {
    pub(crate) fn new(kind: InodeKind, mode: u32, owner: (u32, u32)) -> Self {
        Self { kind, mode, owner }
    }

    pub(crate) fn file(mode: u32, owner: (u32, u32)) -> Self {
        Self::new(InodeKind::File(Arc::default()), mode, owner)
    }

    pub(crate) fn folder(mode: u32, owner: (u32, u32)) -> Self {
        Self::new(InodeKind::Folder(BTreeMap::new()), mode, owner)
    }

    /// Applies edits in order. Ignores an edit that does not fit the kind of inode.
    pub(crate) fn apply<'a>(&mut self, edits: impl IntoIterator<Item = &'a Edit>) {
        let mut bytes: Option<Vec<u8>> = None;
        for edit in edits {
            match (edit, &mut self.kind) {
                (Edit::Mode(mode), _) => self.mode = *mode,
                (Edit::Owner(user, group), _) => self.owner = (*user, *group),
                (Edit::Write(offset, data), InodeKind::File(content)) => {
                    let bytes = bytes.get_or_insert_with(|| content.bytes.clone());
                    write(bytes, *offset, data);
                }
                (Edit::Resize(size), InodeKind::File(content)) => {
                    let bytes = bytes.get_or_insert_with(|| content.bytes.clone());
                    bytes.resize(index(*size), 0);
                }
                (Edit::Names(names), InodeKind::Folder(entries)) => {
                    for (name, ino) in names {
                        match ino {
                            Some(ino) => entries.insert(name.clone(), *ino),
                            None => entries.remove(name),
                        };
                    }
                }
                _ => {}
            }
        }
        if let (Some(bytes), InodeKind::File(content)) = (bytes, &mut self.kind) {
            *content = Content::new(bytes);
        }
    }
}

/// Writes bytes at an offset. Fills a gap before them with zeros.
pub(crate) fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = index(offset);
    let end = start.saturating_add(data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

/// Converts a file offset to an index in memory.
pub(crate) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The inodes of a file system that can be reached from the root.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// The inodes by number. The number of the root is 1.
    pub inodes: HashMap<u64, Inode>,
}

impl Default for Image {
    /// A root that holds only the subject's private, empty folder.
    fn default() -> Self {
        let mut root = Inode::folder(0o755, (0, 0));
        root.apply([&Edit::Names(vec![(STORE.into(), Some(STDOUT + 1))])]);
        let store = Inode::folder(0o700, (0, 0));
        Self {
            inodes: HashMap::from([(ROOT, root), (STDOUT + 1, store)]),
        }
    }
}

impl Image {
    /// Returns every file below the subject's root, with its digest or the reason why it has none.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Result<Digest, String>)> {
        let mut files = Vec::new();
        let Some(InodeKind::Folder(root)) = self.inodes.get(&ROOT).map(|inode| &inode.kind) else {
            return files;
        };
        let mut folders: Vec<_> = root
            .get(std::ffi::OsStr::new(STORE))
            .map(|ino| (*ino, PathBuf::new()))
            .into_iter()
            .collect();
        while let Some((ino, path)) = folders.pop() {
            let Some(InodeKind::Folder(entries)) = self.inodes.get(&ino).map(|inode| &inode.kind)
            else {
                continue;
            };
            for (name, ino) in entries {
                let path = path.join(name);
                match self.inodes.get(ino).map(|inode| &inode.kind) {
                    Some(InodeKind::Folder(_)) => folders.push((*ino, path)),
                    Some(InodeKind::File(content)) => files.push((path, Ok(content.digest()))),
                    Some(InodeKind::Symlink(_)) => {
                        files.push((path, Err("not a regular file".to_owned())));
                    }
                    None => files.push((path, Err("no such inode".to_owned()))),
                }
            }
        }
        files
    }

    /// Hashes what distinguishes two images for a program besides paths and bytes: links and modes.
    pub(crate) fn hash_links(&self, hasher: &mut impl Hasher) {
        let ordered: BTreeMap<_, _> = self.inodes.iter().collect();
        for (ino, inode) in ordered {
            (ino, inode.mode).hash(hasher);
            if let InodeKind::Folder(entries) = &inode.kind {
                entries.hash(hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_before_a_surviving_write_reads_as_zeros() {
        let mut file = Inode::file(0o600, (0, 0));
        file.apply([&Edit::Write(3, Arc::from(*b"def")), &Edit::Resize(5)]);
        let InodeKind::File(content) = &file.kind else {
            panic!("a file stays a file")
        };
        assert_eq!(content.bytes, b"\0\0\0de");
        assert_eq!(content.digest(), Digest::of(b"\0\0\0de"));
    }

    #[test]
    fn an_image_lists_all_reachable_files() {
        let mut image = Image::default();
        image.inodes.insert(8, Inode::folder(0o700, (0, 0)));
        image.inodes.insert(9, Inode::file(0o600, (0, 0)));
        let names = |name: &str, ino| Edit::Names(vec![(name.into(), Some(ino))]);
        image.inodes.get_mut(&3).unwrap().apply([&names("ab", 8)]);
        image.inodes.get_mut(&8).unwrap().apply([&names("blob", 9)]);
        assert_eq!(image.files(), [("ab/blob".into(), Ok(Digest::of(b"")))]);
    }
}
