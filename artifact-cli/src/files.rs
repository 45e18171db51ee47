//! The one seam to files that are not blobs: settings, secrets, what `put` reads and `get` writes.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use rustix::fs::{Mode, OFlags};
use secrecy::SecretString;

use crate::failure::{setup, setup_from};
use crate::output::shell_word;

/// The greatest settings file or secret that is read, in bytes.
const MAX_SMALL_FILE: u64 = 1024 * 1024;

/// Opens a file for reading. It does not wait where there is a FIFO without a writer.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// How much of a file is read at a time, in bytes.
pub(crate) const READ_SIZE: usize = 256 * 1024;

/// A regular file from its beginning to its end. Each stream has a position of its own, so several may
/// read one file.
pub(crate) fn chunks(file: Arc<File>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((file, 0), |(file, at)| async move {
        let read = move || loop {
            let mut piece = vec![0; READ_SIZE];
            match file.read_at(&mut piece, at) {
                Ok(length) => {
                    piece.truncate(length);
                    return Ok((file, Bytes::from(piece)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let (file, piece) = tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)??;
        let next = at + piece.len() as u64;
        Ok((!piece.is_empty()).then_some((piece, (file, next))))
    })
}

/// A small regular file as text.
pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    read_opened(&File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn read_opened(file: &File) -> io::Result<String> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_SMALL_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SMALL_FILE {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

/// A secret in a file that only its owner can read, without the line's end. `None` where there is
/// no such file.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Option<SecretString>> {
    let shown = path.display();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => {
            return Err(setup_from(
                error,
                format!("cannot read the secret in {shown}"),
            ));
        }
    };
    let read = || {
        // Checked on what is open, so that it cannot be exchanged between check and reading.
        let mode = file.metadata()?.mode();
        Ok((mode, read_opened(&file)?))
    };
    let (mode, text) = read().map_err(|error: io::Error| {
        setup_from(error, format!("cannot read the secret in {shown}"))
    })?;
    if mode & 0o077 != 0 {
        return Err(setup(format!(
            "others than its owner can use the secret in {shown}; run: chmod 600 {}",
            shell_word(&path.to_string_lossy())
        )));
    }
    Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
}

/// Returns whether something, even a symlink that leads nowhere, has this path.
pub(crate) fn exists(path: &Path) -> anyhow::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let path = path.display();
            Err(setup_from(error, format!("cannot read the secret in {path}")))
        }
    }
}

/// Writes a secret to a new file of mode 0600: whole or not at all, and durable. An existing file
/// is an error.
pub(crate) fn create_secret(path: &Path, secret: &str) -> io::Result<()> {
    let folder = parent(path);
    // Created 0600 under a name of its own; only the whole file gets the name that is looked for.
    let mut file = tempfile::Builder::new()
        .prefix(".artifact-secret-")
        .tempfile_in(folder)?;
    writeln!(file, "{secret}")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    open(folder)?.sync_all()
}

/// Sees that a file could be made here: its folder is there and takes one.
pub(crate) fn check_new_file(path: &Path) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::other("it is no name of a file"));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(parent(path), access)?)
}

/// Makes one folder of mode 0700, durably; whether it was made now.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            open(parent(path))?.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder that a path lies in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Where a path really is: absolute, without symlinks and `..`, also where its end is not there yet.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let mut exists = std::path::absolute(path)?;
    let mut missing = Vec::new();
    loop {
        match exists.canonicalize() {
            Ok(real) => {
                let mut real = real;
                real.extend(missing.into_iter().rev());
                return Ok(real);
            }
            // A symlink that leads nowhere is there all the same, and what it would lead to once
            // something is made of it cannot be told.
            Err(error) if exists.symlink_metadata().is_ok() => return Err(error),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(error) => match exists.components().next_back() {
                Some(Component::Normal(name)) => {
                    missing.push(name.to_owned());
                    exists.pop();
                }
                _ => return Err(error),
            },
        }
    }
}

/// The nearest folder above a path that is there, if something could be made in it.
pub(crate) fn check_writable_ancestor(path: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let nearest = absolute
        .ancestors()
        .find(|ancestor| ancestor.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"));
    if !nearest.is_dir() {
        return Err(io::Error::other(format!(
            "{} is not a folder",
            nearest.display()
        )));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(nearest, access)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_real_path_has_its_symlinks_followed_and_keeps_the_end_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("there")).unwrap();
        symlink("there", root.join("link")).unwrap();
        let real = real_path(&root.join("link/new/file")).unwrap();
        assert_eq!(real, root.join("there/new/file"));
        let real = real_path(&root.join("link/../there")).unwrap();
        assert_eq!(real, root.join("there"));
    }

    #[test]
    fn a_symlink_that_leads_nowhere_has_no_real_path() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("nowhere", &link).unwrap();
        assert_eq!(
            real_path(&link).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            real_path(&link.join("x")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn dots_after_what_is_not_there_have_no_real_path() {
        let folder = tempfile::tempdir().unwrap();
        assert!(real_path(&folder.path().join("missing/../../x")).is_err());
    }
}
