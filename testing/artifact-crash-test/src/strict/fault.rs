//! The errors that the strict file system can inject.

/// An error that is injected at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The operation.
    pub at: FaultPoint,
    /// The effect on that operation.
    pub effect: Effect,
}

impl Fault {
    /// Injects `effect` at the operation `at`.
    pub fn new(at: FaultPoint, effect: Effect) -> Self {
        Self { at, effect }
    }
}

/// The operation at which a fault is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultPoint {
    /// The operation with this number, counted from 0 over all kinds.
    Operation(u64),
    /// The operation with this number among those of its kind, counted from 0.
    Nth(OpKind, u64),
}

/// The effect of an injected error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The operation does nothing and returns this errno (a positive number).
    Errno(i32),
    /// A write accepts only the first half of its bytes. Has no effect on other operations.
    ShortWrite,
    /// A sync returns EIO, and the data it should have made durable never becomes durable, although it
    /// stays visible. Later syncs return Ok. As on Linux, every other handle that is open on the inode
    /// also gets EIO once, at its next sync (fsync(2), "Errors"; `errseq_t`). Has no effect on other
    /// operations.
    LostSync,
}

/// The kinds of operations that are numbered. Forget and close are not numbered, because they cannot
/// fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant is the system call or FUSE operation of the same name"
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
