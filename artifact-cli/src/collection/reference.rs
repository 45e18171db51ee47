//! What a user calls a collection, or a file in it: the id or the title, and a name after a slash.

use anyhow::{Result, anyhow};
use artifact_client::{Collection, CollectionFile, FileFilter};

use crate::connect::ClientContext;
use crate::output::printable;

/// Splits a text into a collection and what follows the first slash. Returns `None` if it is the URI of an artifact or of a
/// link.
pub(crate) fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let (collection, name) = match text.split_once('/') {
        Some((collection, name)) => (collection, Some(name)),
        None => (text, None),
    };
    // A server is free in what its URIs begin with; they end in a slash and an id.
    let ends_in_id = name.is_some() && text.rsplit('/').next().is_some_and(is_hex);
    let is_uri = text.contains("://") || (ends_in_id && !is_id(collection));
    (!is_uri && !collection.is_empty()).then_some((collection, name))
}

fn is_hex(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether a text is the id of a collection.
pub(super) fn is_id(text: &str) -> bool {
    text.strip_prefix("col_").is_some_and(is_hex)
}

/// Returns the id of the collection with an id or a title. Of several collections with the title, the user must choose.
pub(crate) async fn find(context: &ClientContext, collection: &str) -> Result<String> {
    find_any(context, collection).await?.ok_or_else(|| {
        anyhow!(
            "there is no collection with the id or the title {}; see artifact collection list",
            printable(collection)
        )
    })
}

/// Returns the id of the collection with an id or a title, if there is one with the title.
async fn find_any(context: &ClientContext, collection: &str) -> Result<Option<String>> {
    if is_id(collection) {
        return Ok(Some(collection.to_owned()));
    }
    let found = with_title(context, collection).await?;
    match &found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.id.clone())),
        _ => Err(ambiguous(collection, &found)),
    }
}

/// Returns the file with a name.
pub(super) async fn there(
    context: &ClientContext,
    collection: &str,
    name: &str,
) -> Result<Option<CollectionFile>> {
    let filter = FileFilter::default().with_prefix(name).with_limit(1);
    let page = context.client.files(collection, &filter, None).await;
    let page = page.map_err(|error| context.explain(error))?;
    Ok(page.files.into_iter().find(|file| file.name == name))
}

/// Returns the collections with a title that the credential may see, the oldest first.
pub(super) async fn with_title(context: &ClientContext, title: &str) -> Result<Vec<Collection>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = context.client.collections(after.as_deref()).await;
        let page = page.map_err(|error| context.explain(error))?;
        let of_page = page.collections.into_iter();
        found.extend(of_page.filter(|found| found.title.as_deref() == Some(title)));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

pub(super) fn ambiguous(title: &str, found: &[Collection]) -> anyhow::Error {
    let ids: Vec<_> = found
        .iter()
        .map(|found| format!("{} ({}, {})", found.id, found.state, found.created_at))
        .collect();
    let title = printable(title);
    anyhow!(
        "several collections have the title {title}; give the id of one of them: {}",
        ids.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "col_4f2a9c0de1b83756a0c4d2f19e7b6385";

    #[test]
    fn collections_and_files_in_them_are_told_from_uris() {
        for (text, expected) in [
            (ID, Some((ID, None))),
            (&format!("{ID}/logs/a.txt"), Some((ID, Some("logs/a.txt")))),
            (&format!("{ID}/{}", &ID[4..]), Some((ID, Some(&ID[4..])))),
            ("run", Some(("run", None))),
            ("run/", Some(("run", Some("")))),
            ("run/a//b", Some(("run", Some("a//b")))),
            (&format!("eden://artifacts/{}", &ID[4..]), None),
            (&format!("eden:artifacts/{}", &ID[4..]), None),
            (&format!("files/{}", &ID[4..]), None),
            ("https://host/v1/links/x", None),
            ("eden://artifacts/x", None),
            ("/a", None),
            ("", None),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_have_one_form() {
        assert!(is_id(ID));
        for text in [
            &ID[..35],
            "col_",
            "run",
            &ID.to_uppercase(),
            &ID.replace('f', "g"),
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
