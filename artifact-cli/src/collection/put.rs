//! Deposits files and folders under names in a collection: `artifact put FOLDER` and `artifact collection put`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact_client::{CollectionFile, DepositOptions, ErrorKind};
use serde_json::json;

use super::{files, reference};
use crate::connect::ClientContext;
use crate::failure::{self, setup, setup_from};
use crate::output::{self, number_of, printable};
use crate::put::open;
use crate::settings::Period;

/// What is deposited, and where.
#[derive(Debug)]
pub(crate) struct FilesDeposit {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) target: Target,
    /// The type of each file, if it is not guessed by the name.
    pub(crate) content_type: Option<String>,
    pub(crate) expires_in: Option<Period>,
    pub(crate) seal: bool,
    pub(crate) json: bool,
}

/// The collection of a deposit.
#[derive(Debug)]
pub(crate) enum Target {
    /// A new one with this title.
    New(Option<String>),
    /// The one with this id; or the open one of the depositor with this title, or else a new one.
    Named(String),
}

/// What became of one file.
enum Outcome {
    Stored(u64),
    /// The collection has it already.
    Present,
    /// The collection does not take it, and it says why.
    Refused(String),
}

/// What became of all files.
#[derive(Default)]
struct Totals {
    stored: u64,
    bytes: u64,
    present: u64,
    refused: u64,
}

/// The collection, and the files that were in it before.
struct Opened {
    id: String,
    files: HashMap<String, CollectionFile>,
}

/// Returns the name of a folder, which is the title of its collection.
pub(crate) fn title_of(folder: &Path) -> Result<String> {
    let shown = folder.display();
    // `.` and `..` have no name of their own.
    let real = folder.canonicalize();
    let real = real.map_err(|error| setup_from(error, format!("cannot read {shown}")))?;
    let name = real.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        setup(format!(
            "{shown} has no name that can be a title; give --collection NAME"
        ))
    })?;
    Ok(name.to_owned())
}

/// Deposits the files. A file that the collection does not take is reported, and the others are deposited; another failure ends the
/// command. Either way the same command can be repeated: files that are there already are left out then.
pub(crate) async fn deposit(context: &ClientContext, deposit: FilesDeposit) -> Result<()> {
    // Before anything is stored.
    let (found, unreadable) = find(&deposit.paths)?;
    let opened = opened(context, &deposit.target).await?;
    let id = &opened.id;
    let mut totals = Totals::default();
    for (name, path) in &found {
        let outcome = put(context, &opened, &deposit, name, path).await;
        let outcome = outcome.inspect_err(|_| {
            let words =
                "the collection has only some of the files; repeat the command, with --collection";
            output::note(format_args!("{words} {id}"));
        })?;
        totals.add(name, outcome);
    }
    for (path, error) in &unreadable {
        totals.refused += 1;
        let shown = path.display();
        output::note(format_args!(
            "the folder {shown} is not stored: cannot read it: {error}"
        ));
    }
    totals.report();
    let mut sha256 = None;
    if deposit.seal && totals.refused == 0 {
        let manifest = context.client.seal_collection(id).await;
        let manifest = manifest.map_err(|error| context.explain(error))?;
        output::note(format_args!("sealed, sha256 {}", manifest.total.sha256));
        sha256 = Some(manifest.total.sha256.to_string());
    }
    if deposit.json {
        output::data(json!({
            "collection": id,
            "stored": totals.stored,
            "size_bytes": totals.bytes,
            "present": totals.present,
            "refused": totals.refused,
            "sha256": sha256,
        }))?;
    } else {
        output::data(id)?;
    }
    if totals.refused == 0 {
        return Ok(());
    }
    let not_sealed = if deposit.seal {
        ", so it was not sealed"
    } else {
        ""
    };
    output::note(format_args!(
        "error: {} of {} files{} are not in the collection {id}{not_sealed}",
        totals.refused,
        found.len() + unreadable.len(),
        if unreadable.is_empty() {
            ""
        } else {
            " and folders that cannot be read"
        }
    ));
    Err(failure::ended_with(1))
}

impl Totals {
    fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Stored(bytes) => {
                self.stored += 1;
                self.bytes += bytes;
            }
            Outcome::Present => self.present += 1,
            Outcome::Refused(reason) => {
                self.refused += 1;
                let name = printable(name);
                output::note(format_args!("the file {name} is not stored: {reason}"));
            }
        }
    }

    fn report(&self) {
        let (stored, bytes) = (self.stored, self.bytes);
        let present = match self.present {
            0 => String::new(),
            1 => "; 1 was there already".to_owned(),
            present => format!("; {present} were there already"),
        };
        output::note(format_args!(
            "stored {}, {}{present}",
            number_of(stored, "file"),
            number_of(bytes, "byte")
        ));
    }
}

/// Finds or creates the collection.
async fn opened(context: &ClientContext, target: &Target) -> Result<Opened> {
    let explain = |error| context.explain(error);
    let (title, found) = match target {
        Target::New(title) => (title.as_deref(), None),
        Target::Named(id) if reference::is_id(id) => {
            let found = context.client.collection(id).await.map_err(explain)?;
            (None, Some(found))
        }
        Target::Named(title) => {
            let mut found = reference::with_title(context, title).await?;
            // Files of a collection belong to its owner.
            let own = context.principal.as_deref();
            found.retain(|found| found.state == "open" && own == Some(&*found.created_by));
            if found.len() > 1 {
                return Err(reference::ambiguous(title, &found));
            }
            (Some(title.as_str()), found.pop())
        }
    };
    let named = |id: &str| match title {
        Some(title) => format!("collection {id}, title {}", printable(title)),
        None => format!("collection {id}"),
    };
    if let Some(found) = found {
        if found.state != "open" {
            let (id, state) = (&found.id, &found.state);
            return Err(setup(format!(
                "the collection {id} is {state}, so it takes no files"
            )));
        }
        let mut there = HashMap::new();
        for file in files(context, &found.id, None).await? {
            there.insert(file.name.clone(), file);
        }
        let (shown, number) = (named(&found.id), number_of(there.len(), "file"));
        output::note(format_args!("{shown}: open, with {number}"));
        return Ok(Opened {
            id: found.id,
            files: there,
        });
    }
    let created = context.client.create_collection(title).await;
    let id = created.map_err(explain)?.id;
    output::note(format_args!("{}: new", named(&id)));
    Ok(Opened {
        id,
        files: HashMap::new(),
    })
}

/// Deposits one file, unless the collection has it.
async fn put(
    context: &ClientContext,
    opened: &Opened,
    deposit: &FilesDeposit,
    name: &str,
    path: &Path,
) -> Result<Outcome> {
    if let Some(there) = opened.files.get(name) {
        return Ok(compared(path, there).await);
    }
    let (body, size) = match open(path) {
        Ok(opened) => opened,
        Err(error) => return Ok(refused(&error)),
    };
    let mut options = DepositOptions::default();
    if let Some(size) = size {
        options = options.with_size(size);
    }
    if let Some(period) = &deposit.expires_in {
        options = options.with_expires_in(period.0);
    }
    let guess = || mime_guess::from_path(name).first_raw();
    if let Some(content_type) = deposit.content_type.as_deref().or_else(guess) {
        options = options.with_content_type(content_type);
    }
    let stored = context.client.put_file(&opened.id, name, body, options);
    let error = match stored.await {
        Ok(stored) => return Ok(Outcome::Stored(stored.size_bytes)),
        Err(error) => error,
    };
    match error.kind() {
        // Another command may have deposited it meanwhile.
        ErrorKind::AlreadyExists => match reference::there(context, &opened.id, name).await? {
            Some(there) => Ok(compared(path, &there).await),
            None => Ok(refused(&context.explain(error))),
        },
        ErrorKind::BadRequest
        | ErrorKind::InvalidInput
        | ErrorKind::TooLarge
        | ErrorKind::Source => Ok(refused(&context.explain(error))),
        _ => {
            let shown = printable(name);
            Err(context.explain(error).context(format!("the file {shown}")))
        }
    }
}

fn refused(error: &anyhow::Error) -> Outcome {
    Outcome::Refused(failure::chain(error.as_ref()))
}

/// Compares a file with the one that the collection has under its name.
async fn compared(path: &Path, there: &CollectionFile) -> Outcome {
    match crate::files::is_equal(path, there.size_bytes, &there.sha256).await {
        Ok(true) => Outcome::Present,
        Ok(false) => Outcome::Refused(format!(
            "the collection has other bytes under this name, with the SHA-256 {}; a name is given once",
            there.sha256
        )),
        Err(error) => Outcome::Refused(format!("cannot read {}: {error}", path.display())),
    }
}

/// The folders below those of a command that cannot be read.
type Unreadable = Vec<(PathBuf, io::Error)>;

/// How many entries that are left out are named.
const NAMED: usize = 5;

/// Says which entries of a folder are left out.
fn warn_of_left_out(folder: &Path, left_out: &[(PathBuf, &'static str)]) {
    if left_out.is_empty() {
        return;
    }
    let mut named: Vec<_> = left_out
        .iter()
        .take(NAMED)
        .map(|(path, what)| format!("{} ({what})", printable(&path.to_string_lossy())))
        .collect();
    if left_out.len() > NAMED {
        named.push("and others".to_owned());
    }
    output::warn(format_args!(
        "{} entries of {} are left out: {}",
        left_out.len(),
        folder.display(),
        named.join(", ")
    ));
}

/// Returns the files by their names.
fn find(paths: &[PathBuf]) -> Result<(BTreeMap<String, PathBuf>, Unreadable)> {
    let (mut found, mut unreadable) = (BTreeMap::new(), Vec::new());
    for path in paths {
        let below = |error| setup_from(error, format!("cannot read {}", path.display()));
        let files = if path.is_dir() {
            let mut walked = crate::files::walk(path).map_err(below)?;
            walked.left_out.sort();
            warn_of_left_out(path, &walked.left_out);
            let failed = walked.unreadable.into_iter();
            unreadable.extend(failed.map(|(below, error)| (path.join(below), error)));
            walked.files
        } else {
            let name = path.file_name().map(PathBuf::from);
            vec![name.ok_or_else(|| setup(format!("{} is no file", path.display())))?]
        };
        let folder = if path.is_dir() {
            path
        } else {
            crate::files::parent(path)
        };
        for file in files {
            let parts = file.iter().map(|part| part.to_str());
            let parts = parts
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| setup(format!("the name {} is not UTF-8", file.display())))?;
            let (name, path) = (parts.join("/"), folder.join(&file));
            if let Some(other) = found.insert(name.clone(), path) {
                let (name, other) = (printable(&name), other.display().to_string());
                return Err(setup(format!(
                    "two files have the name {name}; one is {other}"
                )));
            }
        }
    }
    Ok((found, unreadable))
}
