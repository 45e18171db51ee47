//! `artifact collection`: files under names that are given once.

mod command;
mod get;
mod list;
mod put;
mod reference;

use anyhow::{Result, anyhow};
use artifact_client::{Collection, CollectionFile, FileFilter};

use self::command::{GetArguments, PutArguments};
use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};
use crate::output::{self, number_of, printable};

pub(crate) use self::command::CollectionCommand;
pub(crate) use self::get::fetch_all;
pub(crate) use self::list::list_folder;
pub(crate) use self::put::{FilesDeposit, Target, deposit, title_of};
pub(crate) use self::reference::{find, split};

pub(crate) async fn run(context: &ClientContext, command: CollectionCommand) -> Result<()> {
    until_interrupted(dispatch(context, command)).await
}

async fn dispatch(context: &ClientContext, command: CollectionCommand) -> Result<()> {
    let client = &context.client;
    let explain = |error| context.explain(error);
    match command {
        CollectionCommand::Create { title, json } => {
            let created = client.create_collection(title.as_deref()).await;
            show(&created.map_err(explain)?, json)
        }
        CollectionCommand::List { json } => list(context, json).await,
        CollectionCommand::Show { collection, json } => {
            let id = find(context, &collection).await?;
            print_properties(context, &id, json).await
        }
        CollectionCommand::Put(arguments) => put(context, arguments).await,
        CollectionCommand::Get(arguments) => {
            let GetArguments {
                collection,
                output,
                force,
            } = arguments;
            fetch_all(context, &collection, output, force).await
        }
        CollectionCommand::Ls {
            collection,
            prefix,
            json,
        } => {
            let collection = find(context, &collection).await?;
            for file in files(context, &collection, prefix.as_deref()).await? {
                list::print(&file, &file.name, json.json)?;
            }
            Ok(())
        }
        CollectionCommand::Seal { collection, json } => {
            let id = find(context, &collection).await?;
            seal(context, &id, json).await
        }
        CollectionCommand::Delete { collection } => {
            let id = find(context, &collection).await?;
            client.delete_collection(&id).await.map_err(explain)?;
            output::note(format_args!("deleted {id}"));
            Ok(())
        }
    }
}

async fn put(context: &ClientContext, arguments: PutArguments) -> Result<()> {
    let PutArguments {
        paths,
        collection,
        title,
        seal,
        json,
    } = arguments;
    let files = FilesDeposit {
        paths,
        target: collection.map_or(Target::New(title), Target::Named),
        content_type: None,
        expires_in: None,
        seal,
        json: json.json,
    };
    deposit(context, files).await
}

/// Prints a collection: its id, or all as JSON.
fn show(collection: &Collection, Json { json }: Json) -> Result<()> {
    if json {
        output::json(collection)
    } else {
        output::data(&collection.id)
    }
}

/// Prints what is recorded about a collection.
pub(crate) async fn print_properties(context: &ClientContext, id: &str, json: Json) -> Result<()> {
    let found = context.client.collection(id).await;
    let found = found.map_err(|error| context.explain(error))?;
    if json.json {
        return output::json(&found);
    }
    output::data(describe(&found))
}

/// Returns the file with a name.
pub(crate) async fn file(context: &ClientContext, id: &str, name: &str) -> Result<CollectionFile> {
    reference::there(context, id, name).await?.ok_or_else(|| {
        let name = printable(name);
        anyhow!("there is no file {name} in the collection {id}")
    })
}

/// Returns one property per line.
fn describe(collection: &Collection) -> String {
    let mut lines = vec![format!("collection {}", collection.id)];
    if let Some(title) = &collection.title {
        lines.push(format!("title {}", printable(title)));
    }
    lines.push(format!("state {}", printable(&collection.state)));
    lines.push(format!(
        "files {}, {} bytes",
        collection.files, collection.size_bytes
    ));
    let (at, by) = (&collection.created_at, &collection.created_by);
    lines.push(format!("created {} by {}", printable(at), printable(by)));
    if let Some(at) = &collection.sealed_at {
        lines.push(format!("sealed {}", printable(at)));
    }
    lines.join("\n")
}

async fn list(context: &ClientContext, Json { json }: Json) -> Result<()> {
    let mut after = None;
    loop {
        let page = context.client.collections(after.as_deref()).await;
        let page = page.map_err(|error| context.explain(error))?;
        for found in &page.collections {
            if json {
                output::json(found)?;
                continue;
            }
            let title = printable(found.title.as_deref().unwrap_or_default());
            output::data(format_args!(
                "{}\t{}\t{}\t{}\t{title}",
                found.id, found.state, found.files, found.size_bytes
            ))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Seals a collection, and prints the digest of its manifest, or the manifest as JSON.
async fn seal(context: &ClientContext, collection: &str, Json { json }: Json) -> Result<()> {
    let manifest = context.client.seal_collection(collection).await;
    let manifest = manifest.map_err(|error| context.explain(error))?;
    let total = &manifest.total;
    output::note(format_args!(
        "sealed with {}, {}",
        number_of(total.files, "file"),
        number_of(total.size_bytes, "byte")
    ));
    if json {
        return output::json(&manifest);
    }
    output::data(total.sha256)
}

/// Reads the whole list of files.
async fn files(
    context: &ClientContext,
    collection: &str,
    prefix: Option<&str>,
) -> Result<Vec<CollectionFile>> {
    let mut filter = FileFilter::default().with_limit(1_000);
    if let Some(prefix) = prefix {
        filter = filter.with_prefix(prefix);
    }
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = context.client.files(collection, &filter, after.as_deref());
        let page = page.await.map_err(|error| context.explain(error))?;
        files.extend(page.files);
        after = page.next;
        if after.is_none() {
            return Ok(files);
        }
    }
}
