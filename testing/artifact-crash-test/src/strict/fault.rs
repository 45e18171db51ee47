//! Errors that the strict file system injects.

/// An error at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Where.
    pub at: At,
    /// What happens there.
    pub effect: Effect,
}

impl Fault {
    /// This effect, there.
    pub fn new(at: At, effect: Effect) -> Self {
        Self { at, effect }
    }
}

/// Which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// The operation of this number, counted from 0 over all kinds.
    Operation(u64),
    /// The operation of this number among those of its kind, counted from 0.
    Nth(OpKind, u64),
}

/// What an injected error does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The operation does nothing and answers this errno (a positive number).
    Errno(i32),
    /// A write takes only the first half of its bytes; other operations are not touched.
    Short,
    /// A sync answers EIO and what it should have made durable never will be, though it stays
    /// visible; later syncs say Ok. As Linux does it: every other handle that is open on the inode
    /// gets EIO once too, at its next sync (fsync(2), "Errors"; `errseq_t`). Other operations are
    /// not touched.
    LostSync,
}

/// The kinds of operation that are numbered. Forgetting and closing are not: they cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is the system call or FUSE operation of its name"
)]
pub enum OpKind {
    Lookup,
    GetAttr,
    SetAttr,
    ReadLink,
    Create,
    MkDir,
    Symlink,
    Link,
    Unlink,
    RmDir,
    Rename,
    Open,
    Read,
    Write,
    Flush,
    Fsync,
    OpenDir,
    ReadDir,
    FsyncDir,
    StatFs,
    Fallocate,
}
