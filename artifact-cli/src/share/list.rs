//! The lists of the grants and links of an artifact, and of the grants of a collection.

use artifact_client::{Client, Link};
use serde_json::json;

use super::Failure;
use crate::output::{self, printable};

/// Prints all grants and links: a line for each, or one line of JSON.
pub(super) async fn of_artifact(client: &Client, uri: &str, as_json: bool) -> Result<(), Failure> {
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
        let grantee = grant.worker.as_deref().or(grant.group.as_deref());
        let line = grant_line(&grant.id, grantee, grant.expires_at.as_deref());
        output::data(line)?;
    }
    for link in &links {
        output::data(link_line(link))?;
    }
    Ok(())
}

/// Prints all grants: a line for each, or one line of JSON.
pub(super) async fn of_collection(client: &Client, id: &str, as_json: bool) -> Result<(), Failure> {
    let (mut grants, mut after) = (Vec::new(), None);
    loop {
        let page = client.collection_grants(id, after.as_deref()).await?;
        grants.extend(page.grants);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if as_json {
        output::json(&json!({ "grants": grants }))?;
        return Ok(());
    }
    for grant in &grants {
        let grantee = grant.worker.as_deref().or(grant.group.as_deref());
        let line = grant_line(&grant.id, grantee, grant.expires_at.as_deref());
        output::data(line)?;
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
fn grant_line(id: &str, grantee: Option<&str>, expires_at: Option<&str>) -> String {
    format!(
        "{id}\t{}\tuntil {}",
        printable(grantee.unwrap_or("")),
        printable(expires_at.unwrap_or("revoked"))
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
