//! `artifact get`: an opaque URI in, the same file out, or an error and no file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use artifact_client::{Client, Fetched};
use clap::ArgMatches;
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::connect::{client, failed, until_interrupted};
use crate::failure::{setup, setup_from, stdout_error};
use crate::progress::Progress;
use crate::settings::Loaded;
use crate::{files, output};

pub(crate) async fn run(matches: &ArgMatches, loaded: &Loaded) -> Result<()> {
    let uri = matches.get_one::<String>("URI").map_or("", String::as_str);
    let force = matches.get_flag("force");
    match matches.get_one::<PathBuf>("output") {
        Some(path) if path == Path::new("-") => {
            let client = client(loaded)?;
            until_interrupted(to_stdout(&client, uri, loaded)).await
        }
        Some(path) => {
            check_target(path, force)?;
            let client = client(loaded)?;
            until_interrupted(to_file(&client, uri, path, force, loaded)).await
        }
        None if output::stdout_is_terminal() => Err(setup(
            "an artifact may be anything, and standard output is a terminal; give -o FILE, or -o -",
        )),
        None => {
            let client = client(loaded)?;
            until_interrupted(to_stdout(&client, uri, loaded)).await
        }
    }
}

/// Fetches what can be verified to its last byte.
async fn fetch(client: &Client, uri: &str, loaded: &Loaded) -> Result<Fetched> {
    let fetched = client
        .fetch(uri)
        .await
        .map_err(|error| failed(error, loaded))?;
    if fetched.sha256.is_none() {
        return Err(anyhow!(
            "the server sends no SHA-256, so the artifact cannot be verified"
        ));
    }
    Ok(fetched)
}

/// What was verified, for people.
fn report(fetched: &Fetched, size: u64) {
    output::note(format_args!("size {size} bytes"));
    if let Some(sha256) = fetched.sha256 {
        output::note(format_args!("sha256 {sha256}, verified"));
    }
}

async fn to_stdout(client: &Client, uri: &str, loaded: &Loaded) -> Result<()> {
    let mut fetched = fetch(client, uri, loaded).await?;
    // A bar would be drawn into the data where both are one terminal.
    let mut progress = Progress::new("get", fetched.size, !output::stdout_is_terminal());
    let mut stdout = tokio::io::stdout();
    let mut size = 0;
    while let Some(piece) = fetched.next().await {
        let piece = piece.map_err(|error| {
            failed(error, loaded).context("what went to standard output must not be used")
        })?;
        stdout.write_all(&piece).await.map_err(stdout_error)?;
        size += piece.len() as u64;
        progress.advance(piece.len());
    }
    stdout.flush().await.map_err(stdout_error)?;
    drop(progress);
    report(&fetched, size);
    Ok(())
}

/// Refuses what would be lost, before anything is fetched.
fn check_target(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(setup(format!(
            "{shown} is a folder; give the name of a file in it"
        ))),
        Ok(found) if !found.is_file() => Err(setup(format!(
            "{shown} is not a regular file; use -o - > {shown}"
        ))),
        Ok(_) if !force => Err(setup(format!(
            "{shown} is there already; give --force to replace it"
        ))),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = files::parent(path);
            if folder.is_dir() {
                Ok(())
            } else {
                Err(setup(format!(
                    "there is no folder {} to make the file in",
                    folder.display()
                )))
            }
        }
        Err(error) => Err(setup_from(error, format!("cannot make {shown}"))),
    }
}

/// The file gets its name only once every byte is verified. An error, and a dropped future, leave
/// nothing: the temporary file goes with its handle.
async fn to_file(
    client: &Client,
    uri: &str,
    path: &Path,
    force: bool,
    loaded: &Loaded,
) -> Result<()> {
    let mut fetched = fetch(client, uri, loaded).await?;
    let temporary = temporary_beside(path)?;
    let writing = || format!("cannot write {}", path.display());
    let handle = temporary.as_file().try_clone().with_context(writing)?;
    let mut file = tokio::fs::File::from_std(handle);
    let mut progress = Progress::new("get", fetched.size, true);
    let size = copy(&mut fetched, &mut file, &mut progress, loaded)
        .await
        .with_context(|| format!("{} was not made", path.display()))?;
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
    report(&fetched, size);
    Ok(())
}

async fn copy(
    fetched: &mut Fetched,
    file: &mut (impl AsyncWrite + Unpin),
    progress: &mut Progress,
    loaded: &Loaded,
) -> Result<u64> {
    let mut size = 0;
    while let Some(piece) = fetched.next().await {
        let piece = piece.map_err(|error| failed(error, loaded))?;
        file.write_all(&piece)
            .await
            .context("the file cannot be written")?;
        size += piece.len() as u64;
        progress.advance(piece.len());
    }
    file.flush().await.context("the file cannot be written")?;
    Ok(size)
}

/// In the same folder, so that it can be renamed; with the rights of any new file.
fn temporary_beside(path: &Path) -> Result<NamedTempFile> {
    let folder: PathBuf = files::parent(path).to_owned();
    tempfile::Builder::new()
        .prefix(".artifact-get-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(&folder)
        .with_context(|| format!("cannot make a file in {}", folder.display()))
}
