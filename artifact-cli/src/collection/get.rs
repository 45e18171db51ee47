//! Writes the files of a collection into a folder: `artifact get COLLECTION` and `artifact collection get`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use artifact_client::{CollectionFile, ErrorKind};

use super::{files, reference};
use crate::connect::ClientContext;
use crate::failure::{self, setup, setup_from};
use crate::get::{self, NewFile, Written};
use crate::output::{self, number_of, printable, shell_word};
use crate::{files as disk, leftovers};

/// What became of one file.
enum Outcome {
    Written(Written),
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
        None if disk::is_plain_name(collection) && !collection.starts_with('.') => {
            PathBuf::from(collection)
        }
        None => return Err(setup("the title is not used as a folder; give -o FOLDER")),
    };
    let id = reference::find(context, collection).await?;
    let files = files(context, &id, None).await?;
    let missing = missing(context, &id, &files).await?;
    let shown = folder.display();
    disk::make_folder(&folder)
        .map_err(|error| setup_from(error, format!("cannot create the folder {shown}")))?;
    let mut done = Done::default();
    for file in &files {
        let outcome = done.fetch(context, &folder, file, force).await?;
        done.add(file, outcome);
    }
    for file in &missing {
        let outcome = match target(&folder, &file.name) {
            // A file that an earlier command has fetched.
            Some(path) => found(&path, file, true).await.unwrap_or_default(),
            None => None,
        };
        let gone = || Outcome::Refused("it has expired or was removed".to_owned());
        done.add(file, outcome.unwrap_or_else(gone));
    }
    done.end(files.len() + missing.len(), &folder)
}

/// Returns the files of a sealed collection that are not in the list any more.
async fn missing(
    context: &ClientContext,
    id: &str,
    files: &[CollectionFile],
) -> Result<Vec<CollectionFile>> {
    let explain = |error| context.explain(error);
    let collection = context.client.collection(id).await.map_err(explain)?;
    if collection.state != "sealed" {
        return Ok(Vec::new());
    }
    let manifest = context.client.manifest(id).await.map_err(explain)?;
    let there: HashSet<_> = files.iter().map(|file| &file.name).collect();
    let of_manifest = manifest.files.into_iter();
    Ok(of_manifest
        .filter(|file| !there.contains(&file.name))
        .collect())
}

/// What became of all files.
#[derive(Default)]
struct Done {
    written: u64,
    bytes: u64,
    present: u64,
    refused: u64,
    /// The folders without leftovers of an earlier command.
    clean: HashSet<PathBuf>,
}

impl Done {
    fn add(&mut self, file: &CollectionFile, outcome: Outcome) {
        let name = printable(&file.name);
        match outcome {
            Outcome::Written(Written { size, sha256 }) => {
                self.written += 1;
                self.bytes += size;
                let sha256 = sha256.unwrap_or(file.sha256);
                output::note(format_args!(
                    "{name}: {size} bytes, sha256 {sha256}, verified"
                ));
            }
            Outcome::Present => self.present += 1,
            Outcome::Refused(reason) => {
                self.refused += 1;
                output::note(format_args!("the file {name} is not written: {reason}"));
            }
        }
    }

    /// Prints the totals. Fails if a file is not there.
    fn end(&self, number: usize, folder: &Path) -> Result<()> {
        let (written, bytes, shown) = (self.written, self.bytes, folder.display());
        let there = match self.present {
            0 => String::new(),
            1 => "; 1 was there already".to_owned(),
            present => format!("; {present} were there already"),
        };
        output::note(format_args!(
            "wrote {}, {}, into {shown}{there}",
            number_of(written, "file"),
            number_of(bytes, "byte")
        ));
        let refused = self.refused;
        if refused == 0 {
            return Ok(());
        }
        output::note(format_args!(
            "error: {refused} of {number} files are not in {shown}"
        ));
        Err(failure::ended_with(1))
    }

    /// Fetches one file, unless it is there. What prevents only this file is no error.
    async fn fetch(
        &mut self,
        context: &ClientContext,
        folder: &Path,
        file: &CollectionFile,
        force: bool,
    ) -> Result<Outcome> {
        let Some(path) = target(folder, &file.name) else {
            return Ok(Outcome::Refused(format!(
                "its name cannot be a path here; fetch it with: artifact get {} -o FILE",
                shell_word(&file.uri)
            )));
        };
        if let Err(reason) = self.make_folders(folder, &file.name) {
            return Ok(Outcome::Refused(reason));
        }
        match found(&path, file, force).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return Ok(outcome),
            Err(error) => return Ok(Outcome::Refused(failure::chain(error.as_ref()))),
        }
        let fetched = match get::fetch(context, &file.uri).await {
            Ok(fetched) => fetched,
            Err(error) if is_not_found(&error) => {
                return Ok(Outcome::Refused("it has expired or was removed".to_owned()));
            }
            Err(error) => return Err(error),
        };
        if fetched.sha256 != Some(file.sha256) {
            let shown = printable(&file.name);
            return Err(anyhow!("the server returned another file for {shown}"));
        }
        let new = NewFile::create(&path, force)?;
        Ok(Outcome::Written(new.fill(context, fetched).await?))
    }

    /// Makes the folders of a file, and removes from each one what a killed command left. Returns why that is not possible.
    fn make_folders(&mut self, folder: &Path, name: &str) -> Result<(), String> {
        let mut below = folder.to_owned();
        let mut parents: Vec<_> = name.split('/').collect();
        parents.pop();
        for part in parents {
            below.push(part);
            match make_folder(&below) {
                Ok(true) => {}
                Ok(false) => return Err(format!("{} is not a folder", below.display())),
                Err(error) => return Err(failure::chain(error.as_ref())),
            }
        }
        if !self.clean.contains(&below) {
            leftovers::remove_from(&below);
            self.clean.insert(below);
        }
        Ok(())
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<artifact_client::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::NotFound)
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

/// Returns the path of a name, which is below the folder. Returns `None` if the name cannot be one.
fn target(folder: &Path, name: &str) -> Option<PathBuf> {
    // The name comes from the depositor, and passed the checks of a server that may be wrong.
    let is_path = name.split('/').all(disk::is_plain_name);
    is_path.then(|| folder.join(name))
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
            "a\nb",
            "a\u{1b}",
        ] {
            assert!(target(folder, name).is_none(), "{name:?}");
        }
    }
}
