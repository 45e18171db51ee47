//! `artifact put`: a file in, an opaque URI out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use artifact_client::{Body, DepositOptions};
use clap::ArgMatches;
use futures_util::TryStreamExt;
use tokio_util::io::ReaderStream;

use crate::connect::{client, failed, until_interrupted};
use crate::failure::{setup, setup_from};
use crate::progress::Progress;
use crate::settings::Loaded;
use crate::{files, output};

/// How much is read at a time, in bytes.
const READ_SIZE: usize = 256 * 1024;

pub(crate) async fn run(matches: &ArgMatches, loaded: &Loaded) -> Result<()> {
    let client = client(loaded)?;
    let stdin = Path::new("-");
    let file = matches
        .get_one::<PathBuf>("FILE")
        .map_or(stdin, PathBuf::as_path);
    let mut options = DepositOptions::default();
    options.content_type = matches.get_one::<String>("content-type").cloned();
    options.file_name = matches.get_one::<String>("file-name").cloned();

    let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = if file == stdin {
        Box::new(tokio::io::stdin())
    } else {
        let (reader, size) = open(file)?;
        options.size = size;
        if options.file_name.is_none() {
            let name = file.file_name();
            options.file_name = name.map(|name| name.to_string_lossy().into_owned());
        }
        Box::new(reader)
    };

    let progress = Progress::new("put", options.size, true);
    // Shared with the body, which belongs to the connection and may outlive the answer.
    let progress = Arc::new(Mutex::new(Some(progress)));
    let advance = {
        let progress = Arc::clone(&progress);
        move |bytes: usize| {
            if let Some(progress) = lock(&progress).as_mut() {
                progress.advance(bytes);
            }
        }
    };
    let stream = ReaderStream::with_capacity(reader, READ_SIZE)
        .inspect_ok(move |piece| advance(piece.len()));
    let deposit = async {
        let deposited = client.deposit(Body::from_stream(stream), options).await;
        deposited.map_err(|error| failed(error, loaded))
    };
    let deposited = until_interrupted(deposit).await;
    drop(lock(&progress).take());
    let deposited = deposited?;

    output::note(format_args!("size {} bytes", deposited.size_bytes));
    output::note(format_args!("sha256 {}", deposited.sha256));
    output::data(deposited.uri)
}

fn lock(progress: &Mutex<Option<Progress>>) -> std::sync::MutexGuard<'_, Option<Progress>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens what is to be deposited; its size is known of a regular file only.
fn open(path: &Path) -> Result<(tokio::fs::File, Option<u64>)> {
    let shown = path.display();
    let opened = files::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) =
        opened.map_err(|error| setup_from(error, format!("cannot read {shown}")))?;
    if metadata.is_dir() {
        return Err(setup(format!(
            "{shown} is a folder; give a file, or pipe an archive into -"
        )));
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((tokio::fs::File::from_std(file), size))
}
