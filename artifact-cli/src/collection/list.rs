//! Lists a collection like a folder: `artifact ls COLLECTION[/PREFIX]`.

use anyhow::{Result, anyhow};
use artifact_client::{CollectionFile, FileFilter};
use serde_json::json;

use super::reference;
use crate::connect::ClientContext;
use crate::failure::setup;
use crate::output::{self, printable};

/// Prints the folders and files of a folder of a collection; with `recursive`, all files below it.
pub(crate) async fn list_folder(
    context: &ClientContext,
    text: &str,
    recursive: bool,
    json: bool,
) -> Result<()> {
    let (collection, name) = reference::split(text)
        .ok_or_else(|| setup("give the id or the title of a collection, not a URI"))?;
    let id = reference::find(context, collection).await?;
    let name = name.unwrap_or_default();
    let folder = match name {
        "" => String::new(),
        name => format!("{}/", name.trim_end_matches('/')),
    };
    let mut filter = FileFilter::default().with_prefix(&folder).with_limit(1_000);
    if !recursive {
        filter = filter.by_folder();
    }
    let (mut after, mut is_empty) = (None, true);
    loop {
        let page = context.client.files(&id, &filter, after.as_deref()).await;
        let page = page.map_err(|error| context.explain(error))?;
        is_empty &= page.folders.is_empty() && page.files.is_empty();
        for below in &page.folders {
            if json {
                output::data(json!({ "folder": below }))?;
            } else {
                let shown = below.strip_prefix(&folder).unwrap_or(below);
                output::data(format_args!("-\t-\t{}", printable(shown)))?;
            }
        }
        for file in &page.files {
            let shown = file.name.strip_prefix(&folder).unwrap_or(&file.name);
            print(file, shown, json)?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if is_empty && !name.is_empty() {
        return file(context, &id, name, json).await;
    }
    Ok(())
}

/// Prints the file with a name.
async fn file(context: &ClientContext, id: &str, name: &str, json: bool) -> Result<()> {
    let filter = FileFilter::default().with_prefix(name).with_limit(1);
    let page = context.client.files(id, &filter, None).await;
    let page = page.map_err(|error| context.explain(error))?;
    match page.files.iter().find(|file| file.name == name) {
        Some(file) => print(file, name, json),
        None => Err(anyhow!(
            "there is no file or folder {} in the collection {id}",
            printable(name)
        )),
    }
}

/// Prints a file: its SHA-256, size and name, or all as JSON.
pub(super) fn print(file: &CollectionFile, name: &str, json: bool) -> Result<()> {
    if json {
        return output::json(file);
    }
    let (sha256, bytes, name) = (file.sha256, file.size_bytes, printable(name));
    output::data(format_args!("{sha256}\t{bytes}\t{name}"))
}
