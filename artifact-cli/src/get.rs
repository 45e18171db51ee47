//! `artifact get`: fetches and verifies an artifact. An error leaves no file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use artifact_backend::Sha256Digest;
use artifact_client::Fetched;
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::cli::GetArguments;
use crate::collection;
use crate::connect::{ClientContext, until_interrupted};
use crate::failure::{setup, setup_from, stdout_error};
use crate::progress::Progress;
use crate::{files, leftovers, output, system};

pub(crate) async fn run(context: &ClientContext, arguments: GetArguments) -> Result<()> {
    let GetArguments {
        uri,
        output,
        remote_name,
        force,
    } = arguments;
    if let Some((collection, None | Some(""))) = collection::split(&uri) {
        if remote_name {
            return Err(setup(
                "a collection has several files; give -o FOLDER instead of -O",
            ));
        }
        let fetched = collection::fetch_all(context, collection, output, force);
        return until_interrupted(fetched).await;
    }
    match &output {
        None if remote_name => until_interrupted(to_recorded_name(context, &uri, force)).await,
        Some(path) if path != Path::new("-") => {
            check_target(path, force)?;
            let fetch_to_file = async {
                // Before the fetch, which may be the last one that a link allows.
                let new = NewFile::create(path, force)?;
                let fetched = fetch(context, &uri).await?;
                let written = new.fill(context, fetched).await?;
                written.report();
                Ok(())
            };
            until_interrupted(fetch_to_file).await
        }
        None if output::stdout_is_terminal() => Err(setup(
            "standard output is a terminal, and the artifact may be binary; give -o FILE, -O, or -o -",
        )),
        _ => until_interrupted(to_stdout(context, &uri)).await,
    }
}

/// Returns whether this is the URL of a link, not the URI of an artifact.
pub(crate) fn is_link(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

/// Starts a fetch that can be verified.
pub(crate) async fn fetch(context: &ClientContext, uri: &str) -> Result<Fetched> {
    let fetched = if is_link(uri) {
        context.client.fetch_link(uri).await
    } else if let Some((collection, Some(name))) = collection::split(uri) {
        let collection = collection::find(context, collection).await?;
        context.client.fetch_file(&collection, name).await
    } else {
        context.client.fetch(uri).await
    };
    let fetched = fetched.map_err(|error| context.explain(error))?;
    if fetched.sha256.is_none() {
        return Err(anyhow!(
            "the server sends no SHA-256, so the artifact cannot be verified"
        ));
    }
    Ok(fetched)
}

/// The size and the digest of what was fetched.
pub(crate) struct Written {
    pub(crate) size: u64,
    pub(crate) sha256: Option<Sha256Digest>,
}

impl Written {
    /// Prints the size and the digest for people.
    fn report(&self) {
        output::note(format_args!("size {} bytes", self.size));
        if let Some(sha256) = self.sha256 {
            output::note(format_args!("sha256 {sha256}, verified"));
        }
    }
}

async fn to_stdout(context: &ClientContext, uri: &str) -> Result<()> {
    let mut fetched = fetch(context, uri).await?;
    // If standard output is a terminal too, a bar would be drawn into the data.
    let mut progress = Progress::new("get", fetched.size, !output::stdout_is_terminal());
    let mut stdout = tokio::io::stdout();
    let mut size = 0;
    while let Some(chunk) = fetched.next().await {
        let chunk = chunk.map_err(|error| {
            context
                .explain(error)
                .context("discard what was written to standard output, it must not be used")
        })?;
        stdout.write_all(&chunk).await.map_err(stdout_error)?;
        size += chunk.len() as u64;
        progress.advance(chunk.len());
    }
    stdout.flush().await.map_err(stdout_error)?;
    drop(progress);
    let sha256 = fetched.sha256;
    Written { size, sha256 }.report();
    Ok(())
}

/// Rejects a target that would lose data, before anything is fetched.
pub(crate) fn check_target(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(setup(format!(
            "{shown} is a folder; give the name of a file in it"
        ))),
        Ok(found) if !found.is_file() => Err(setup(format!(
            "{shown} is not a regular file; give - and redirect standard output: > {shown}"
        ))),
        Ok(_) if !force => Err(setup(format!(
            "{shown} already exists; give --force to replace it"
        ))),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = files::parent(path);
            if folder.is_dir() {
                Ok(())
            } else {
                Err(setup(format!(
                    "the folder {} does not exist; create it first",
                    folder.display()
                )))
            }
        }
        Err(error) => Err(setup_from(error, format!("cannot create {shown}"))),
    }
}

/// Writes a file in the current folder that has the name that was recorded.
async fn to_recorded_name(context: &ClientContext, uri: &str, force: bool) -> Result<()> {
    let mut fetched = None;
    let recorded = if is_link(uri) {
        // A fetch would count as a download, and may be the last one.
        let found = context.client.stat_link(uri).await;
        found.map_err(|error| context.explain(error))?.file_name
    } else {
        let begun = fetched.insert(fetch(context, uri).await?);
        begun.file_name.clone()
    };
    let recorded = recorded.ok_or_else(|| setup("no file name was recorded; give -o FILE"))?;
    let path = Path::new(&recorded);
    // The name comes from the depositor.
    if !is_plain(&recorded) {
        let shown = output::printable(&recorded);
        return Err(setup(format!(
            "the recorded file name '{shown}' is not used; give -o FILE"
        )));
    }
    check_target(path, force)?;
    let new = NewFile::create(path, force)?;
    let fetched = match fetched {
        Some(fetched) => fetched,
        None => fetch(context, uri).await?,
    };
    new.fill(context, fetched).await?.report();
    output::note(format_args!("written to {recorded}"));
    Ok(())
}

/// Whether a recorded name is that of a visible file in the current folder, and shows what it is on a terminal.
fn is_plain(name: &str) -> bool {
    files::is_plain_name(name)
        && !name.starts_with('.')
        && !name.contains('\\')
        && output::printable(name) == name
}

/// A file that gets its name only when every byte is verified. Dropping the value removes the temporary file.
#[must_use = "nothing is written until the file is filled"]
pub(crate) struct NewFile<'p> {
    temporary: NamedTempFile,
    path: &'p Path,
    force: bool,
}

impl<'p> NewFile<'p> {
    /// Creates the temporary file.
    pub(crate) fn create(path: &'p Path, force: bool) -> Result<Self> {
        let temporary = leftovers::create_beside(path)?;
        Ok(Self {
            temporary,
            path,
            force,
        })
    }

    /// Writes the file. An error or a dropped future leaves nothing.
    pub(crate) async fn fill(
        self,
        context: &ClientContext,
        mut fetched: Fetched,
    ) -> Result<Written> {
        let Self {
            temporary,
            path,
            force,
        } = self;
        let writing = || format!("cannot write {}", path.display());
        let handle = temporary.as_file().try_clone().with_context(writing)?;
        let mut file = tokio::fs::File::from_std(handle);
        let mut progress = Progress::new("get", fetched.size, true);
        let size = copy(context, &mut fetched, &mut file, &mut progress)
            .await
            .with_context(|| format!("{} was not created", path.display()))?;
        drop(progress);
        drop(file);
        if force {
            temporary.persist(path).map_err(|error| error.error)
        } else {
            temporary
                .persist_noclobber(path)
                .map_err(|error| error.error)
        }
        .with_context(writing)?;
        let sha256 = fetched.sha256;
        Ok(Written { size, sha256 })
    }
}

async fn copy(
    context: &ClientContext,
    fetched: &mut Fetched,
    file: &mut (impl AsyncWrite + Unpin),
    progress: &mut Progress,
) -> Result<u64> {
    let mut size = 0;
    while let Some(chunk) = fetched.next().await {
        let chunk = chunk.map_err(|error| context.explain(error))?;
        file.write_all(&chunk)
            .await
            .context("cannot write the file")?;
        size += chunk.len() as u64;
        progress.advance(chunk.len());
    }
    file.flush().await.context("cannot write the file")?;
    Ok(size)
}

/// Creates a temporary file in the same folder, so that it can be renamed, with the mode of any new file.
pub(crate) fn temporary_beside(path: &Path, prefix: &str) -> Result<NamedTempFile> {
    let folder: PathBuf = files::parent(path).to_owned();
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    system::use_mode_of_new_files(&mut builder);
    builder
        .tempfile_in(&folder)
        .with_context(|| format!("cannot create a file in {}", folder.display()))
}
