//! The only access to files that are not blobs: settings, secrets, and the files of `put` and `get`.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileType};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use artifact_backend::{Sha256Digest, blocking};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::failure::setup_from;
pub(crate) use crate::system::open;
use crate::{leftovers, system};

/// The maximum size of a settings file or a secret, in bytes.
const MAX_SMALL_FILE: u64 = 1024 * 1024;

/// The size of one read, in bytes.
pub(crate) const READ_SIZE: usize = 256 * 1024;

/// Streams a regular file from its start to its end. Each stream has its own position, so several streams can
/// read the same file.
pub(crate) fn chunks(file: Arc<File>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((file, 0), |(file, at)| async move {
        let read = move || loop {
            let mut piece = vec![0; READ_SIZE];
            match system::read_at(&file, &mut piece, at) {
                Ok(length) => {
                    piece.truncate(length);
                    return Ok((file, Bytes::from(piece)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let (file, piece) = blocking::run(read).await.map_err(io::Error::other)??;
        let next = at + piece.len() as u64;
        Ok((!piece.is_empty()).then_some((piece, (file, next))))
    })
}

/// Returns whether a regular file has this size and SHA-256.
pub(crate) async fn is_equal(path: &Path, size: u64, sha256: &Sha256Digest) -> io::Result<bool> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != size {
        return Ok(false);
    }
    let mut hasher = Sha256::new();
    let mut pieces = pin!(chunks(Arc::new(file)));
    while let Some(piece) = pieces.next().await {
        hasher.update(&piece?);
    }
    Ok(hasher.finalize()[..] == sha256.as_bytes()[..])
}

/// Reads a small file as text: a regular file or a pipe.
pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    read_opened(&system::open_small(path)?)
}

fn read_opened(file: &File) -> io::Result<String> {
    if !system::wait_for_writer(file)? && !file.metadata()?.is_file() {
        return Err(io::Error::other("it is neither a regular file nor a pipe"));
    }
    let mut text = String::new();
    file.take(MAX_SMALL_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SMALL_FILE {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

/// Reads a secret, without the line break at its end, from a file or pipe of root or of the user of this process
/// that others cannot read. Returns `None` if it does not exist.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Option<SecretString>> {
    let cannot = |error| {
        let shown = path.display();
        setup_from(error, format!("cannot read the secret in {shown}"))
    };
    let file = match system::open_small(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    // Checks the open file, so that it cannot be replaced between the check and the read.
    system::check_secret(path, &file.metadata().map_err(cannot)?)?;
    let text = read_opened(&file).map_err(cannot)?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
}

/// Returns whether something, even a symlink that leads nowhere, has this path.
pub(crate) fn exists(path: &Path) -> anyhow::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let path = path.display();
            Err(setup_from(
                error,
                format!("cannot read the secret in {path}"),
            ))
        }
    }
}

/// Writes a secret to a new file of mode 0600, completely or not at all, and durably. An existing file is an
/// error.
pub(crate) fn create_secret(path: &Path, secret: &str) -> io::Result<()> {
    let folder = parent(path);
    // Writes a temporary file of mode 0600; only the complete file gets the final name.
    let mut file = tempfile::Builder::new()
        .prefix(".artifact-secret-")
        .tempfile_in(folder)?;
    writeln!(file, "{secret}")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    system::sync_folder(folder)
}

/// Checks that a file could be created here: its folder exists and is writable.
pub(crate) fn check_new_file(path: &Path) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::other("it is not the name of a file"));
    }
    system::check_writable(parent(path))
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Checks that a file can be read and written.
pub(crate) fn check_own_file(path: &Path) -> io::Result<()> {
    system::check_read_write(path)
}

/// Creates a folder of mode 0700, durably. Returns `false` if it already exists.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<bool> {
    match system::create_private_folder(path) {
        Ok(()) => {
            system::sync_folder(parent(path))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a folder unless there is one already.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Writes a file that people may read, completely or not at all. It replaces one that has the name already.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".artifact-");
    system::use_mode_of_new_files(&mut builder);
    let mut file = builder.tempfile_in(parent(path))?;
    file.write_all(content)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Returns whether the path is a folder that can be read and has no entry.
pub(crate) fn is_empty_folder(path: &Path) -> bool {
    path.read_dir()
        .is_ok_and(|mut entries| entries.next().is_none())
}

/// What is below a folder. All paths are relative to it.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// The regular files.
    pub(crate) files: Vec<PathBuf>,
    /// What is left out, and what it is.
    pub(crate) left_out: Vec<(PathBuf, &'static str)>,
    /// The folders that cannot be read.
    pub(crate) unreadable: Vec<(PathBuf, io::Error)>,
}

/// Finds the regular files below a folder. The temporary files of `get` are left out. Fails if the folder itself cannot be read.
pub(crate) fn walk(folder: &Path) -> io::Result<Below> {
    let (mut found, mut folders) = (Below::default(), vec![PathBuf::new()]);
    while let Some(below) = folders.pop() {
        match list(&folder.join(&below)) {
            Ok(entries) => {
                for (name, kind) in entries {
                    let path = below.join(&name);
                    if kind.is_dir() {
                        folders.push(path);
                    } else if let Some(what) = left_out(&name, kind) {
                        found.left_out.push((path, what));
                    } else {
                        found.files.push(path);
                    }
                }
            }
            Err(error) if below.as_os_str().is_empty() => return Err(error),
            Err(error) => found.unreadable.push((below, error)),
        }
    }
    Ok(found)
}

fn list(folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let entries = folder.read_dir()?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name(), entry.file_type()?))
    });
    entries.collect()
}

/// Returns what an entry is, if it is no file to deposit.
fn left_out(name: &OsStr, kind: FileType) -> Option<&'static str> {
    if kind.is_symlink() {
        Some("a symbolic link")
    } else if !kind.is_file() {
        Some("neither a file nor a folder")
    } else if leftovers::is_name(name) {
        Some("left by an interrupted artifact get")
    } else {
        None
    }
}

/// Returns whether a name is that of a file or folder on this system, and leads nowhere else.
pub(crate) fn is_plain_name(name: &str) -> bool {
    is_plain_name_on(name, cfg!(windows))
}

fn is_plain_name_on(name: &str, is_windows: bool) -> bool {
    let is_possible = !matches!(name, "" | "." | "..")
        && name.len() <= 255
        && !name.chars().any(|c| c.is_control() || c == '/');
    if !is_windows {
        return is_possible;
    }
    // Drives, streams, patterns, and what Windows removes from the end of a name.
    let is_known =
        !name.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) && !name.ends_with(['.', ' ']);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    // Devices, whatever follows the first dot.
    let is_device = matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || ["COM", "LPT"].iter().any(|kind| {
            let number = stem.strip_prefix(kind);
            number.is_some_and(|number| {
                number.chars().count() == 1
                    && number
                        .contains(|c: char| c.is_ascii_digit() || "\u{b9}\u{b2}\u{b3}".contains(c))
            })
        });
    is_possible && is_known && !is_device
}

/// Returns the folder that contains the path; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Returns the absolute path without symlinks and `..`. The end of the path need not exist.
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
            // A dangling symlink exists, and nothing tells what will be created through it.
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

/// Checks that the nearest existing folder above the path is writable.
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
    system::check_writable(nearest)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn real_paths_follow_symlinks_and_keep_a_missing_end() {
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
    fn names_of_files_depend_on_the_system() {
        for name in [
            "a b",
            "log-2026-11-30T13:48:26.txt",
            "C:a",
            "a\\b",
            "nul.txt",
            "COM1",
            "a.",
            "what?",
            "a*",
        ] {
            assert!(is_plain_name_on(name, false), "{name:?}");
            assert_eq!(is_plain_name_on(name, true), name == "a b", "{name:?}");
        }
        for name in ["console", "COM", "COM10", "nul-1", ".a", "com\u{e9}"] {
            assert!(is_plain_name_on(name, true), "{name:?}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\nb",
            "a\0",
            "\u{1b}",
            &"x".repeat(256),
        ] {
            assert!(
                !is_plain_name_on(name, false) && !is_plain_name_on(name, true),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_walk_names_what_it_leaves_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        symlink("nowhere", folder.path().join("sub/link")).unwrap();
        for name in ["a", "sub/.artifact-get-abc123"] {
            File::create_new(folder.path().join(name)).unwrap();
        }
        let found = walk(folder.path()).unwrap();
        assert_eq!(found.files, [Path::new("a")]);
        let mut left_out = found.left_out;
        left_out.sort();
        let expected = [
            (
                "sub/.artifact-get-abc123".into(),
                "left by an interrupted artifact get",
            ),
            ("sub/link".into(), "a symbolic link"),
        ];
        assert_eq!(left_out, expected);
        assert!(found.unreadable.is_empty());
        assert!(walk(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn dangling_symlinks_have_no_real_path() {
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
    fn real_path_rejects_dots_after_a_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(real_path(&folder.path().join("missing/../../x")).is_err());
    }
}
