//! Lists of the files of a collection.

use super::catalog::{CollectionCatalog, NameBound};
use super::file::CollectionFile;
use super::id::CollectionId;
use super::path::CollectionPath;
use crate::catalog::clamped_limit;
use crate::error::Result;

/// How many queries one page takes at most.
const MAX_QUERIES: usize = 16;

/// Which files of a collection to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileQuery {
    /// What the names begin with.
    pub prefix: String,
    /// Whether names with a `/` after the prefix are left out, and the parts up to that `/` are listed once instead: the list of
    /// one folder.
    pub by_folder: bool,
    /// The [`next`](FilePage::next) of the page before.
    pub after: Option<String>,
}

impl FileQuery {
    /// Selects all files whose names begin with a text.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            ..Self::default()
        }
    }

    /// Lists one folder: names up to the next `/` only.
    #[must_use = "returns the changed value"]
    pub fn by_folder(mut self) -> Self {
        self.by_folder = true;
        self
    }

    /// Continues after a page.
    #[must_use = "returns the changed value"]
    pub fn after(mut self, next: impl Into<Option<String>>) -> Self {
        self.after = next.into();
        self
    }
}

/// A part of a list of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePage {
    /// The files.
    pub files: Vec<CollectionFile>,
    /// The parts of names up to and with the `/` that the page has instead of the files below them.
    pub folders: Vec<String>,
    /// What to pass as [`after`](FileQuery::after) for the next page, or `None` if this is the last one.
    pub next: Option<String>,
}

/// Reads a page. Files and folders are in one order, that of their bytes; together there are at most `limit`.
pub(super) async fn page(
    catalog: &dyn CollectionCatalog,
    collection: CollectionId,
    query: &FileQuery,
    limit: u32,
) -> Result<FilePage> {
    let limit = clamped_limit(limit);
    let mut page = FilePage::default();
    let mut from = first(query);
    let mut last = None;
    for _ in 0..MAX_QUERIES {
        let wanted = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        let wanted = wanted.min(1_000);
        let files = catalog.files(collection, &from, false, wanted).await?;
        let is_short = files.len() < wanted as usize;
        for file in files {
            if !file.path.as_str().starts_with(&query.prefix) {
                return Ok(page);
            }
            if is_before(&file.path, &from) {
                continue;
            }
            if page.files.len() + page.folders.len() == limit {
                page.next = last;
                return Ok(page);
            }
            if let Some(folder) = folder(&file.path, query) {
                from = after_entry(folder);
                last = Some(folder.to_owned());
                page.folders.push(folder.to_owned());
            } else {
                from = NameBound::After(file.path.as_str().to_owned());
                last = Some(file.path.as_str().to_owned());
                page.files.push(file);
            }
        }
        if is_short {
            return Ok(page);
        }
    }
    page.next = last;
    Ok(page)
}

fn first(query: &FileQuery) -> NameBound {
    match query.after.as_deref().map(after_entry) {
        // The cursor of a list with another prefix begins this one, or ends it.
        Some(bound) if *bound.as_str() >= *query.prefix => bound,
        _ => NameBound::From(query.prefix.clone()),
    }
}

/// Returns where the list goes on after a file or a folder. No name ends with `/`.
fn after_entry(entry: &str) -> NameBound {
    match entry.strip_suffix('/') {
        // The character `0` follows `/`.
        Some(folder) => NameBound::From(format!("{folder}0")),
        None => NameBound::After(entry.to_owned()),
    }
}

/// Returns whether a name comes before a bound, because the folder that it is in is listed already.
fn is_before(path: &CollectionPath, bound: &NameBound) -> bool {
    match bound {
        NameBound::From(text) => path.as_str() < text.as_str(),
        NameBound::After(text) => path.as_str() <= text.as_str(),
    }
}

/// Returns the part of a name up to and with the first `/` after the prefix.
fn folder<'p>(path: &'p CollectionPath, query: &FileQuery) -> Option<&'p str> {
    if !query.by_folder {
        return None;
    }
    let (text, skipped) = (path.as_str(), query.prefix.len());
    let slash = text.get(skipped..)?.find('/')?;
    text.get(..=skipped + slash)
}
