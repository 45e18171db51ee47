//! The API of `free_bytes` on systems other than Unix, where nothing is measured.

use std::io;
use std::path::Path;

pub(super) fn free_bytes(_path: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
