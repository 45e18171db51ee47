//! Writes the files of a collection into a folder: `artifact get COLLECTION` and `artifact collection get`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use artifact_client::CollectionFile;

use super::{files, reference};
use crate::connect::ClientContext;
use crate::failure::{self, setup, setup_from};
use crate::output::{self, printable};
use crate::{files as disk, get};

/// What became of one file.
enum Outcome {
    Written,
    /// The folder has it already.
    Present,
    /// Something else is in its place.
    Refused(String),
}

/// Fetches all files of a collection. Each is written under a temporary name and gets its own once all its bytes are verified. What
/// is there already is compared; if it differs, it is replaced only with `force`. So the command can be repeated after a
/// failure.
pub(crate) async fn fetch_all(
    context: &ClientContext,
    collection: &str,
    output: Option<PathBuf>,
    force: bool,
) -> Result<()> {
    let folder = match output {
        Some(folder) if folder == Path::new("-") => {
            return Err(setup(
                "a collection has several files; give a FOLDER instead of -",
            ));
        }
        Some(folder) => folder,
        None if is_safe(collection) && !collection.starts_with('.') => PathBuf::from(collection),
        None => return Err(setup("the title is not used as a folder; give -o FOLDER")),
    };
    let id = reference::find(context, collection).await?;
    let files = files(context, &id, None).await?;
    // Before anything is written.
    for file in &files {
        target(&folder, &file.name)?;
    }
    let shown = folder.display();
    disk::make_folder(&folder)
        .map_err(|error| setup_from(error, format!("cannot create the folder {shown}")))?;
    let (mut written, mut bytes, mut present, mut refused) = (0_u64, 0, 0_u64, 0_u64);
    for file in &files {
        match fetch(context, &folder, file, force).await? {
            Outcome::Written => {
                written += 1;
                bytes += file.size_bytes;
            }
            Outcome::Present => present += 1,
            Outcome::Refused(reason) => {
                refused += 1;
                let name = printable(&file.name);
                output::note(format_args!("the file {name} is not written: {reason}"));
            }
        }
    }
    let there = match present {
        0 => String::new(),
        present => format!("; {present} were there already"),
    };
    output::note(format_args!(
        "wrote {written} files, {bytes} bytes, into {shown}{there}"
    ));
    if refused == 0 {
        return Ok(());
    }
    let number = files.len();
    output::note(format_args!(
        "error: {refused} of {number} files are not in {shown}"
    ));
    Err(failure::ended_with(1))
}

async fn fetch(
    context: &ClientContext,
    folder: &Path,
    file: &CollectionFile,
    force: bool,
) -> Result<Outcome> {
    let path = target(folder, &file.name)?;
    let mut at = folder.to_owned();
    let (above, _) = file.name.rsplit_once('/').unwrap_or_default();
    for part in above.split('/').filter(|part| !part.is_empty()) {
        at.push(part);
        if !make_folder(&at)? {
            let shown = at.display();
            return Ok(Outcome::Refused(format!("{shown} is not a folder")));
        }
    }
    if let Some(outcome) = found(&path, file, force).await? {
        return Ok(outcome);
    }
    let fetched = get::fetch(context, &file.uri).await?;
    if fetched.sha256 != Some(file.sha256) {
        let shown = printable(&file.name);
        return Err(anyhow!("the server returned another file for {shown}"));
    }
    get::to_file(context, fetched, &path, force).await?;
    Ok(Outcome::Written)
}

/// Looks at what has the path of a file already. Returns `None` if the file is to be written.
async fn found(path: &Path, file: &CollectionFile, force: bool) -> Result<Option<Outcome>> {
    let shown = path.display();
    let cannot = |error| setup_from(error, format!("cannot read {shown}"));
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(error)),
        Ok(found) if !found.is_file() => {
            let reason = format!("{shown} is not a regular file");
            Ok(Some(Outcome::Refused(reason)))
        }
        Ok(_) => {
            let is_equal = disk::is_equal(path, file.size_bytes, &file.sha256).await;
            Ok(match is_equal.map_err(cannot)? {
                true => Some(Outcome::Present),
                false if force => None,
                false => {
                    let reason = format!(
                        "{shown} already exists, with other bytes; give --force to replace it"
                    );
                    Some(Outcome::Refused(reason))
                }
            })
        }
    }
}

/// Returns the path of a name, which is below the folder.
fn target(folder: &Path, name: &str) -> Result<PathBuf> {
    // The name comes from the depositor, and passed the checks of a server that may be wrong.
    if name.split('/').all(is_safe) {
        return Ok(folder.join(name));
    }
    let shown = printable(name);
    Err(setup(format!(
        "the name '{shown}' is not used as a path; fetch the files one by one, see artifact ls --json"
    )))
}

/// Returns whether a part of a name is the name of a file or folder on every system, and leads nowhere else.
fn is_safe(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part.len() <= 255
        && !part
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
}

/// Makes a folder unless there is one. Returns whether it is one: a symbolic link is not, because it could lead out of the folder.
fn make_folder(path: &Path) -> Result<bool> {
    let cannot = |error| {
        let shown = path.display();
        setup_from(error, format!("cannot create the folder {shown}"))
    };
    match path.symlink_metadata() {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir(path).map_err(cannot)?;
            Ok(true)
        }
        Err(error) => Err(cannot(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        let folder = Path::new("/tmp/x");
        assert_eq!(target(folder, "a/b c").unwrap(), Path::new("/tmp/x/a/b c"));
        for name in [
            "..",
            "../a",
            "a/../b",
            "/etc/passwd",
            "a//b",
            "a/",
            ".",
            "",
            "C:a",
            "a\\b",
            "a\nb",
            "a\u{1b}",
        ] {
            assert!(target(folder, name).is_err(), "{name:?}");
        }
    }
}
