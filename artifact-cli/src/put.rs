//! `artifact put`: deposits files and prints their URIs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use artifact_client::{Body, DepositOptions, Deposited, ErrorKind};
use serde_json::json;

use crate::cli::PutArguments;
use crate::collection::{self, FilesDeposit, Target};
use crate::connect::{ClientContext, until_interrupted};
use crate::failure::{setup, setup_from};
use crate::progress::Progress;
use crate::{files, output, receipt};

pub(crate) async fn run(context: &ClientContext, arguments: PutArguments) -> Result<()> {
    let files = &arguments.files;
    if arguments.collection.is_some() || files.iter().any(|file| file.is_dir()) {
        return until_interrupted(into_collection(context, arguments)).await;
    }
    if arguments.seal {
        return Err(setup(
            "--seal is for a collection; give a folder, or --collection",
        ));
    }
    if files.len() > 1 {
        if arguments.file_name.is_some() {
            return Err(setup("--file-name names one file; give one FILE"));
        }
        if arguments.idempotency_key.is_some() {
            return Err(setup(
                "--idempotency-key is the key of one deposit; give one FILE",
            ));
        }
        if arguments.resume.is_some() {
            return Err(setup("--resume goes on with one upload; give one FILE"));
        }
        if arguments.receipt.is_some() {
            return Err(setup(
                "--receipt is the receipt of one artifact; give one FILE",
            ));
        }
        if files.iter().any(|file| file == Path::new("-")) {
            return Err(setup("- is standard input; give it as the only FILE"));
        }
        // Before anything is stored.
        for file in files {
            open(file)?;
        }
    }
    for file in files {
        let stored = deposit(context, file, &arguments).await?;
        print(&stored, file, &arguments)?;
        if let Some(path) = &arguments.receipt {
            until_interrupted(receipt::save_of_deposit(context, &stored, path)).await?;
        }
    }
    Ok(())
}

/// Deposits files and folders as a collection.
async fn into_collection(context: &ClientContext, arguments: PutArguments) -> Result<()> {
    let PutArguments {
        files,
        collection,
        content_type,
        expires_in,
        seal,
        json,
        ..
    } = &arguments;
    if arguments.file_name.is_some()
        || arguments.idempotency_key.is_some()
        || arguments.resume.is_some()
        || arguments.allow_orphans
        || arguments.receipt.is_some()
    {
        return Err(setup(
            "--file-name, --idempotency-key, --resume, --allow-orphans and --receipt are for files outside of collections",
        ));
    }
    if files.iter().any(|file| file == Path::new("-")) {
        return Err(setup(
            "- is standard input, which has no name in a collection",
        ));
    }
    let title = match (collection, &files[..]) {
        (Some(collection), _) => collection.clone(),
        (None, [folder]) => collection::title_of(folder)?,
        (None, _) => {
            return Err(setup(
                "several files and folders have no common name; give --collection NAME",
            ));
        }
    };
    let deposit = FilesDeposit {
        paths: files.clone(),
        target: Target::Named(title),
        content_type: content_type.clone(),
        expires_in: *expires_in,
        seal: *seal,
        json: json.json,
    };
    collection::deposit(context, deposit).await
}

/// Deposits one file.
async fn deposit(
    context: &ClientContext,
    file: &Path,
    arguments: &PutArguments,
) -> Result<Deposited> {
    let mut options = DepositOptions::default();
    if let Some(period) = &arguments.expires_in {
        options = options.with_expires_in(period.0);
    }
    if let Some(key) = &arguments.idempotency_key {
        options = options.with_idempotency_key(key);
    }
    if arguments.receipt.is_some() {
        options = options.with_receipt();
    }
    if arguments.allow_orphans {
        options = options.with_orphans_allowed();
    }
    // The upload has the name already.
    let without = match arguments.file_name {
        Some(_) => ", without --file-name",
        None => "",
    };
    options = options
        .with_upload(arguments.resume.clone())
        .with_on_upload(move |id| {
            output::note(format_args!(
                "upload {id}; if it is interrupted, repeat the command with --resume {id}{without}"
            ));
        });
    let mut file_name = arguments.file_name.clone();

    let (body, size) = if file == Path::new("-") {
        if arguments.resume.is_some() {
            return Err(setup(
                "--resume goes on with a file, and - is standard input, whose first bytes are gone; give a FILE",
            ));
        }
        (Body::from_reader(tokio::io::stdin()), None)
    } else {
        if file_name.is_none() {
            let name = file.file_name();
            file_name = name.map(|name| name.to_string_lossy().into_owned());
        }
        open(file)?
    };
    let content_type = arguments.content_type.clone();
    let guessed = || {
        let guess = mime_guess::from_path(file_name.as_deref()?);
        Some(guess.first_raw()?.to_owned())
    };
    if let Some(content_type) = content_type.or_else(guessed) {
        options = options.with_content_type(content_type);
    }
    if let Some(file_name) = file_name {
        options = options.with_file_name(file_name);
    }
    if let Some(size) = size {
        options = options.with_size(size);
    }

    let progress = Progress::new("put", size, true);
    // Shared with the body, which belongs to the connection and may outlive the response.
    let progress = Arc::new(Mutex::new(Some(progress)));
    let options = {
        let progress = Arc::clone(&progress);
        options.with_progress(move |done| {
            if let Some(progress) = lock(&progress).as_mut() {
                progress.set(done.bytes);
            }
        })
    };
    let deposit = async {
        let deposited = context.client.deposit(body, options).await;
        deposited.map_err(|error| match &arguments.resume {
            Some(_)
                if error.kind() == ErrorKind::InvalidInput && error.detail().contains("upload") =>
            {
                setup_from(
                    error,
                    "--resume cannot be used; without it, a new upload begins",
                )
            }
            _ => context.explain(error),
        })
    };
    let deposited = until_interrupted(deposit).await;
    drop(lock(&progress).take());
    deposited
}

/// Prints the URI of a file, with the name of the file if there are several.
fn print(deposited: &Deposited, file: &Path, arguments: &PutArguments) -> Result<()> {
    let is_one = arguments.files.len() == 1;
    let shown = file.to_string_lossy();
    if !is_one {
        output::note(format_args!("file {}", output::printable(&shown)));
    }
    output::note(format_args!("size {} bytes", deposited.size_bytes));
    output::note(format_args!("sha256 {}", deposited.sha256));
    let printed = if arguments.json.json {
        let mut line = json!({
            "artifacts_uri": deposited.uri,
            "size_bytes": deposited.size_bytes,
            "content_type": deposited.content_type,
            "sha256": deposited.sha256.to_string(),
        });
        if !is_one {
            line["file"] = shown.into();
        }
        output::data(line)
    } else if is_one {
        output::data(&deposited.uri)
    } else {
        let file = output::printable(&shown);
        output::data(format_args!("{}\t{file}", deposited.uri))
    };
    // No list has it.
    printed
        .inspect_err(|_| output::note(format_args!("the artifact is stored as {}", deposited.uri)))
}

fn lock(progress: &Mutex<Option<Progress>>) -> std::sync::MutexGuard<'_, Option<Progress>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the file to deposit and returns its size if it is known. A regular file has a size and can be read
/// again for a retry; a pipe can be read only once.
pub(crate) fn open(path: &Path) -> Result<(Body, Option<u64>)> {
    let shown = path.display();
    let opened = files::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) =
        opened.map_err(|error| setup_from(error, format!("cannot read {shown}")))?;
    if metadata.is_dir() {
        return Err(setup(format!(
            "{shown} is a folder; give a file, or pipe an archive into -"
        )));
    }
    if metadata.is_file() {
        let file = Arc::new(file);
        let body = Body::repeatable(move || files::chunks(Arc::clone(&file)));
        Ok((body, Some(metadata.len())))
    } else {
        let body = Body::from_reader(tokio::fs::File::from_std(file));
        Ok((body, None))
    }
}
