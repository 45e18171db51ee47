//! Replaces the file of a log by a new one.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::append_file::{self, AppendFile};
use crate::line::{append_line, members};
use crate::recovery::{NEW, Opened, beside};

/// Begins a new file. All lines of the former one are on disk.
///
/// The first line of the new file is on disk before the file gets the name of the log. A crash leaves one of three states, and
/// [`open`](crate::recovery::open) completes each: the former file has its name, no file has it, or the new file has it.
pub(crate) fn rotate(path: &Path, opened: &mut Opened, time: &str) -> io::Result<()> {
    let folder = append_file::folder(path);
    let mut archive = None;
    let former = match opened.file.is_at(path)? {
        Some(true) => {
            let chain = &opened.chain[..opened.chain.len().min(8)];
            let name = beside(path, &format!(".{chain}-{:012}", opened.first));
            if append_file::exists(&name)? {
                return Err(ErrorKind::AlreadyExists.into());
            }
            archive = Some(name.clone());
            Some(name)
        }
        Some(false) => {
            return Err(io::Error::other(
                "another file is at its path; move that away, or restart the server",
            ));
        }
        None => append_file::find(&*opened.file, folder),
    };
    let name = former.as_deref().and_then(Path::file_name);
    let name = name.map(|name| name.to_string_lossy());
    let mut texts = vec![("chain", opened.chain.as_str())];
    texts.extend(name.as_deref().map(|name| ("file", name)));
    let mut bytes = Vec::new();
    let last = append_line(
        &mut bytes,
        Some(opened.last),
        time,
        &members("continue", &texts, &[]),
    );

    let new = beside(path, NEW);
    append_file::remove(&new)?;
    let mut file = append_file::create(&new)?;
    if let Err(error) = file.append(&bytes).and_then(|()| file.sync_all()) {
        // A full disk must not leave an empty file that looks like one of the log.
        let _ = append_file::remove(&new);
        return Err(error);
    }
    if let Some(archive) = &archive {
        append_file::rename(path, archive)?;
    }
    if let Err(error) = append_file::rename(&new, path) {
        if let Some(archive) = &archive {
            // The former file goes on, so it gets its name back.
            append_file::rename(archive, path)?;
        }
        return Err(error);
    }
    append_file::sync_folder(path)?;
    opened.file = Box::new(file);
    opened.first = last.seq;
    opened.last = last;
    opened.length = bytes.len() as u64;
    Ok(())
}
