//! The list of the grants and links of an artifact.

use artifact_client::{Client, Grant, Link};
use serde_json::json;

use super::Failure;
use crate::output::{self, printable};

/// Prints all grants and links: a line for each, or one line of JSON.
pub(super) async fn list(client: &Client, uri: &str, as_json: bool) -> Result<(), Failure> {
    let mut grants = Vec::new();
    let mut after = None;
    loop {
        let page = client.grants(uri, after.as_deref()).await?;
        grants.extend(page.grants);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let links = links(client, uri).await?;
    if as_json {
        output::json(&json!({ "grants": grants, "links": links }))?;
        return Ok(());
    }
    for grant in &grants {
        output::data(grant_line(grant))?;
    }
    for link in &links {
        output::data(link_line(link))?;
    }
    Ok(())
}

/// Reads all links. A server whose links are switched off has none.
async fn links(client: &Client, uri: &str) -> Result<Vec<Link>, Failure> {
    let (mut links, mut after) = (Vec::new(), None);
    loop {
        let page = match client.links(uri, after.as_deref()).await {
            Err(error) if error.kind() == artifact_client::ErrorKind::NotFound => break,
            page => page?,
        };
        links.extend(page.links);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(links)
}

/// Returns the id, who may read, and until when, separated by tabs.
fn grant_line(grant: &Grant) -> String {
    let grantee = grant.worker.as_ref().or(grant.group.as_ref());
    let until = grant.expires_at.as_deref().unwrap_or("revoked");
    format!(
        "{}\t{}\tuntil {}",
        grant.id,
        printable(grantee.map_or("", |id| id)),
        printable(until)
    )
}

fn link_line(link: &Link) -> String {
    let downloads = match (link.downloads, link.max_downloads) {
        (Some(downloads), Some(max)) => format!("{downloads} of {max} downloads"),
        _ => "link".to_owned(),
    };
    format!(
        "{}\t{downloads}\tuntil {}",
        link.id,
        printable(&link.expires_at)
    )
}
