//! The running file system: the state that every process sees, synced or not.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, INodeNo, RenameFlags, TimeOrNow};

use super::event::{Edit, Event};
use super::fault::{Effect, Fault, OpKind};
use super::handles::Handle;
use super::image::{Image, Inode, InodeKind, ROOT, STDOUT, index, write};
use super::injector::FaultInjector;
use crate::clock;
use crate::protocol::LineSplitter;

/// The state of the running file system, and the recording of its changes.
#[derive(Debug)]
pub(crate) struct LiveFs {
    pub(super) nodes: HashMap<u64, Node>,
    next_ino: u64,
    pub(super) handles: HashMap<u64, Handle>,
    pub(super) next_handle: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) injector: FaultInjector,
    lines: LineSplitter,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    mode: u32,
    owner: (u32, u32),
    pub(super) parent: u64,
    links: u32,
    modified: SystemTime,
    changed: SystemTime,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, u64>),
    Symlink(OsString),
}

impl LiveFs {
    pub(crate) fn new(image: &Image, faults: Vec<Fault>, crash_at: Option<u64>) -> Self {
        let now = clock::wall_time();
        let node = |inode: &Inode| Node {
            kind: match &inode.kind {
                InodeKind::File(content) => NodeKind::File(content.bytes().to_vec()),
                InodeKind::Folder(entries) => NodeKind::Folder(entries.clone()),
                InodeKind::Symlink(target) => NodeKind::Symlink(target.clone()),
            },
            mode: inode.mode,
            owner: inode.owner,
            parent: ROOT,
            links: 0,
            modified: now,
            changed: now,
        };
        let mut nodes: HashMap<_, _> = image
            .inodes
            .iter()
            .map(|(ino, inode)| (*ino, node(inode)))
            .collect();
        // Counts links and finds parents from the names that survived, as a file system repair does.
        for (parent, inode) in &image.inodes {
            let InodeKind::Folder(entries) = &inode.kind else {
                continue;
            };
            for child in entries.values() {
                if let Some(child) = nodes.get_mut(child) {
                    child.links += 1;
                    child.parent = *parent;
                }
            }
        }
        let next_ino = image
            .inodes
            .keys()
            .max()
            .map_or(STDOUT, |ino| (*ino).max(STDOUT))
            + 1;
        Self {
            nodes,
            next_ino,
            handles: HashMap::new(),
            next_handle: 1,
            events: Vec::new(),
            injector: FaultInjector::new(faults, crash_at),
            lines: LineSplitter::default(),
        }
    }

    /// Begins an operation and returns the effect injected into it.
    pub(crate) fn begin(&mut self, kind: OpKind) -> Result<Option<Effect>, Errno> {
        self.injector.begin(kind)
    }

    /// Records bytes of the subject's standard output. Their order among all events is exact, because
    /// the subject's `write` returns only after this call.
    pub(crate) fn record_output(&mut self, bytes: &[u8]) {
        let lines = self.lines.push(bytes);
        self.events.extend(lines.into_iter().map(Event::Printed));
    }

    pub(super) fn node(&self, ino: u64) -> Result<&Node, Errno> {
        self.nodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn entries(&self, ino: u64) -> Result<&BTreeMap<OsString, u64>, Errno> {
        match &self.node(ino)?.kind {
            NodeKind::Folder(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(crate) fn child(&self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        self.entries(parent)?
            .get(name)
            .copied()
            .ok_or(Errno::ENOENT)
    }

    fn ensure_absent(&self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        if self.entries(parent)?.contains_key(name) {
            Err(Errno::EEXIST)
        } else {
            Ok(())
        }
    }

    pub(crate) fn attr(&self, ino: u64) -> Result<FileAttr, Errno> {
        let node = self.node(ino)?;
        let size = match &node.kind {
            NodeKind::File(bytes) => bytes.len() as u64,
            NodeKind::Folder(_) => 4096,
            NodeKind::Symlink(target) => target.len() as u64,
        };
        Ok(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: node.modified,
            mtime: node.modified,
            ctime: node.changed,
            crtime: node.changed,
            kind: kind(&node.kind),
            perm: u16::try_from(node.mode & 0o7777).expect("twelve bits"),
            nlink: if matches!(node.kind, NodeKind::Folder(_)) {
                2
            } else {
                node.links
            },
            uid: node.owner.0,
            gid: node.owner.1,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// Creates an inode and its name.
    pub(crate) fn create(&mut self, parent: u64, name: &OsStr, inode: Inode) -> Result<u64, Errno> {
        self.ensure_absent(parent, name)?;
        let ino = self.next_ino;
        self.next_ino += 1;
        let now = clock::wall_time();
        self.nodes.insert(
            ino,
            Node {
                kind: match &inode.kind {
                    InodeKind::File(_) => NodeKind::File(Vec::new()),
                    InodeKind::Folder(_) => NodeKind::Folder(BTreeMap::new()),
                    InodeKind::Symlink(target) => NodeKind::Symlink(target.clone()),
                },
                mode: inode.mode,
                owner: inode.owner,
                parent,
                links: 1,
                modified: now,
                changed: now,
            },
        );
        self.events.push(Event::New(ino, inode));
        self.set_names(parent, vec![(name.to_owned(), Some(ino))])?;
        Ok(ino)
    }

    /// Changes names of one folder together.
    fn set_names(&mut self, parent: u64, names: Vec<(OsString, Option<u64>)>) -> Result<(), Errno> {
        let node = self.nodes.get_mut(&parent).ok_or(Errno::ENOENT)?;
        let NodeKind::Folder(entries) = &mut node.kind else {
            return Err(Errno::ENOTDIR);
        };
        for (name, ino) in &names {
            match ino {
                Some(ino) => entries.insert(name.clone(), *ino),
                None => entries.remove(name),
            };
        }
        node.modified = clock::wall_time();
        node.changed = node.modified;
        self.events.push(Event::Edit(parent, Edit::Names(names)));
        Ok(())
    }

    pub(crate) fn link(&mut self, ino: u64, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.ensure_absent(parent, name)?;
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        node.links += 1;
        node.changed = clock::wall_time();
        self.set_names(parent, vec![(name.to_owned(), Some(ino))])
    }

    pub(crate) fn unlink(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let ino = self.child(parent, name)?;
        if matches!(self.node(ino)?.kind, NodeKind::Folder(_)) {
            return Err(Errno::EISDIR);
        }
        self.set_names(parent, vec![(name.to_owned(), None)])?;
        self.drop_link(ino);
        Ok(())
    }

    pub(crate) fn rmdir(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let ino = self.child(parent, name)?;
        if !self.entries(ino)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.set_names(parent, vec![(name.to_owned(), None)])?;
        self.drop_link(ino);
        Ok(())
    }

    /// Decrements the link count. Keeps the inode, because open handles and the recording may need it.
    fn drop_link(&mut self, ino: u64) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.links = node.links.saturating_sub(1);
            node.changed = clock::wall_time();
        }
    }

    pub(crate) fn rename(
        &mut self,
        (from, name): (u64, &OsStr),
        (to, new_name): (u64, &OsStr),
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        let ino = self.child(from, name)?;
        let replaced = self.child(to, new_name).ok();
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && replaced.is_some() {
            return Err(Errno::EEXIST);
        }
        if flags.contains(RenameFlags::RENAME_WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let exchange = flags.contains(RenameFlags::RENAME_EXCHANGE);
        if exchange && replaced.is_none() {
            return Err(Errno::ENOENT);
        }
        if replaced == Some(ino) {
            return Ok(()); // rename(2) does nothing if both are names of the same inode.
        }
        let exchanged = if exchange { replaced } else { None };
        if let (Some(replaced), false) = (replaced, exchange) {
            if self
                .entries(replaced)
                .is_ok_and(|entries| !entries.is_empty())
            {
                return Err(Errno::ENOTEMPTY);
            }
            self.drop_link(replaced);
        }
        let set = (new_name.to_owned(), Some(ino));
        let unset = (name.to_owned(), exchanged);
        if from == to {
            self.set_names(from, vec![unset, set])?;
        } else {
            self.set_names(to, vec![set])?;
            self.set_names(from, vec![unset])?;
        }
        for (child, parent) in [(Some(ino), to), (exchanged, from)] {
            if let Some(node) = child.and_then(|child| self.nodes.get_mut(&child)) {
                node.parent = parent;
            }
        }
        Ok(())
    }

    pub(crate) fn read(&self, ino: u64, offset: u64, size: u32) -> Result<&[u8], Errno> {
        let NodeKind::File(bytes) = &self.node(ino)?.kind else {
            return Err(Errno::EISDIR);
        };
        let start = index(offset).min(bytes.len());
        let end = start.saturating_add(size as usize).min(bytes.len());
        Ok(&bytes[start..end])
    }

    pub(crate) fn write(&mut self, ino: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        self.edit(ino, Edit::Write(offset, Arc::from(data)))
    }

    pub(crate) fn edit(&mut self, ino: u64, edit: Edit) -> Result<(), Errno> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        node.changed = clock::wall_time();
        match (&edit, &mut node.kind) {
            (Edit::Write(offset, data), NodeKind::File(bytes)) => {
                write(bytes, *offset, data);
                node.modified = node.changed;
            }
            (Edit::Resize(size), NodeKind::File(bytes)) => {
                // A recording is in memory. A larger file gets the error of a full disk.
                if *size > 1 << 30 {
                    return Err(Errno::ENOSPC);
                }
                bytes.resize(index(*size), 0);
                node.modified = node.changed;
            }
            (Edit::Mode(mode), _) => node.mode = *mode,
            (Edit::Owner(user, group), _) => node.owner = (*user, *group),
            _ => return Err(Errno::EISDIR),
        }
        self.events.push(Event::Edit(ino, edit));
        Ok(())
    }

    pub(crate) fn owner(&self, ino: u64) -> Result<(u32, u32), Errno> {
        Ok(self.node(ino)?.owner)
    }

    /// Sets the modification time. File times are shown but not recorded, because they are not promised.
    pub(crate) fn set_modified(&mut self, ino: u64, modified: TimeOrNow) -> Result<(), Errno> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        node.modified = match modified {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => clock::wall_time(),
        };
        Ok(())
    }

    pub(crate) fn target(&self, ino: u64) -> Result<&OsStr, Errno> {
        match &self.node(ino)?.kind {
            NodeKind::Symlink(target) => Ok(target),
            _ => Err(Errno::EINVAL),
        }
    }
}

pub(super) fn kind(kind: &NodeKind) -> FileType {
    match kind {
        NodeKind::File(_) => FileType::RegularFile,
        NodeKind::Folder(_) => FileType::Directory,
        NodeKind::Symlink(_) => FileType::Symlink,
    }
}
