//! `artifact collection put`: deposits files and folders under their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact_client::DepositOptions;

use super::command::PutArguments;
use crate::connect::ClientContext;
use crate::failure::{setup, setup_from};
use crate::put::open;
use crate::{files, output};

pub(super) async fn run(context: &ClientContext, arguments: PutArguments) -> Result<()> {
    let PutArguments {
        paths,
        collection,
        title,
        seal,
    } = arguments;
    // Before anything is stored.
    let found = find(&paths)?;
    let client = &context.client;
    let explain = |error| context.explain(error);
    let collection = if let Some(collection) = collection {
        collection
    } else {
        let created = client.create_collection(title.as_deref()).await;
        created.map_err(explain)?.id
    };
    let unfinished = || {
        let words = "the collection has only some of the files; go on with --collection";
        output::note(format_args!("{words} {collection}"));
    };
    let (number, mut bytes) = (found.len(), 0);
    for (name, path) in found {
        let put = put(context, &collection, &name, &path).await;
        bytes += put.inspect_err(|_| unfinished())?;
    }
    output::note(format_args!("stored {number} files, {bytes} bytes"));
    if seal {
        let manifest = client.seal_collection(&collection).await;
        let manifest = manifest.map_err(explain)?;
        output::note(format_args!("sealed, sha256 {}", manifest.total.sha256));
    }
    output::data(&collection)
}

/// Deposits one file, and returns its size.
async fn put(context: &ClientContext, collection: &str, name: &str, path: &Path) -> Result<u64> {
    let (body, size) = open(path)?;
    let mut options = DepositOptions::default();
    if let Some(size) = size {
        options = options.with_size(size);
    }
    if let Some(guess) = mime_guess::from_path(name).first_raw() {
        options = options.with_content_type(guess);
    }
    let stored = context.client.put_file(collection, name, body, options);
    let stored = stored.await.map_err(|error| {
        let shown = output::printable(name);
        context.explain(error).context(format!("the file {shown}"))
    })?;
    Ok(stored.size_bytes)
}

/// Returns the files by their names.
fn find(paths: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for path in paths {
        let below = |error| setup_from(error, format!("cannot read {}", path.display()));
        let files = if path.is_dir() {
            let (files, left_out) = files::walk(path).map_err(below)?;
            if left_out > 0 {
                let shown = path.display();
                output::warn(format_args!(
                    "{left_out} entries of {shown} are left out: they are neither files nor folders"
                ));
            }
            files
        } else {
            let name = path.file_name().map(PathBuf::from);
            vec![name.ok_or_else(|| setup(format!("{} is no file", path.display())))?]
        };
        let folder = if path.is_dir() {
            path
        } else {
            files::parent(path)
        };
        for file in files {
            let parts = file.iter().map(|part| part.to_str());
            let parts = parts
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| setup(format!("the name {} is not UTF-8", file.display())))?;
            let (name, path) = (parts.join("/"), folder.join(&file));
            if let Some(other) = found.insert(name.clone(), path) {
                let (name, other) = (output::printable(&name), other.display().to_string());
                return Err(setup(format!(
                    "two files have the name {name}; one is {other}"
                )));
            }
        }
    }
    Ok(found)
}
