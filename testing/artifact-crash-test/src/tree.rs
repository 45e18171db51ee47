//! Reads every file below a folder. Never follows links and never blocks on a special file.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use crate::digest::Digest;

/// Returns each file below `root` as a relative path, with the digest of its bytes or the reason why it
/// cannot be read.
pub(crate) fn read(root: &Path) -> std::io::Result<Vec<(PathBuf, Result<Digest, String>)>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, root.join(&folder), flags, Mode::empty())?;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            let file = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(error) => Err(error.to_string()),
                Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        folders.push(path);
                        continue;
                    }
                    FileType::RegularFile => {
                        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                        digest(openat(&directory, name, flags, Mode::empty()))
                            .map_err(|error| error.to_string())
                    }
                    _ => Err("not a regular file".to_owned()),
                },
            };
            files.push((path, file));
        }
    }
    Ok(files)
}

fn digest(file: rustix::io::Result<std::os::fd::OwnedFd>) -> std::io::Result<Digest> {
    let mut bytes = Vec::new();
    std::fs::File::from(file?).read_to_end(&mut bytes)?;
    Ok(Digest::of(&bytes))
}
