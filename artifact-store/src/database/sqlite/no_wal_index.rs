//! Systems on which a read of a file does not show what another process has written through a mapping. Queries read the
//! version there.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use super::system::Inode;
use crate::catalog::CommitMark;

/// Does not exist here.
#[derive(Debug, Clone)]
pub(super) struct WalIndex(Infallible);

/// Does not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexHeader(Infallible);

impl IndexHeader {
    pub(super) fn mark(self) -> CommitMark {
        match self.0 {}
    }
}

impl WalIndex {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the signature is that of other systems"
    )]
    pub(super) fn open(_path: &Path, _expected: Inode) -> io::Result<Option<Self>> {
        Ok(None)
    }

    pub(super) fn header(&self) -> Option<IndexHeader> {
        match self.0 {}
    }
}
