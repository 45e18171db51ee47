//! Collections under `/v1`. A server may leave them out.

mod access;
mod deposits;
mod grants;
mod lists;
mod seals;

use serde_json::Value;

use super::management::manage;
use crate::reply::Reply;
use crate::scenario::{Outcome, Scenario, Stop};
use crate::site::{Credential, Site};

/// The scenarios of all files, in the order in which they run.
pub(crate) const SCENARIOS: [&[Scenario]; 5] = [
    deposits::SCENARIOS,
    access::SCENARIOS,
    lists::SCENARIOS,
    seals::SCENARIOS,
    grants::SCENARIOS,
];

/// A collection of a worker.
struct Collection<'s> {
    site: &'s Site,
    owner: Credential,
    path: String,
}

impl<'s> Collection<'s> {
    /// Creates a collection. Skips the scenario if the server has none.
    async fn new(site: &'s Site) -> Outcome<Self> {
        let owner = site.worker().await?;
        let create = manage(site, "POST", "/collections").await?.by(&owner);
        let reply = create.send().await?;
        if reply.status == 404 {
            let reason = "this server has no collections, which are optional";
            return Err(Stop::Skipped(reason.to_owned()));
        }
        let created = reply.json(201)?;
        let path = format!("/collections/{}", reply.text_of(&created, "id")?);
        Ok(Self { site, owner, path })
    }

    async fn ask(&self, who: &Credential, method: &str, rest: &str) -> Outcome<Reply> {
        let path = format!("{}{rest}", self.path);
        let call = manage(self.site, method, &path).await?.by(who);
        call.send().await
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Outcome<Reply> {
        self.put_if(name, bytes, &[]).await
    }

    async fn put_if(&self, name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Outcome<Reply> {
        let path = format!("{}/files/{name}", self.path);
        let mut call = manage(self.site, "PUT", &path).await?.by(&self.owner);
        for (name, value) in fields {
            call = call.with(name, value);
        }
        call.body(bytes.to_vec()).send().await
    }

    async fn fetch(&self, name: &str) -> Outcome<Reply> {
        self.ask(&self.owner, "GET", &format!("/files/{name}"))
            .await
    }

    /// Returns the names and folders of a list.
    async fn list(&self, query: &str) -> Outcome<Vec<String>> {
        let reply = self
            .ask(&self.owner, "GET", &format!("/files{query}"))
            .await?;
        let page = reply.json(200)?;
        reply.members(&page, &["files", "folders", "next"])?;
        let mut found = names(&reply, &page["files"])?;
        let folders = page["folders"].as_array().into_iter().flatten();
        found.extend(folders.filter_map(Value::as_str).map(str::to_owned));
        found.sort_unstable();
        Ok(found)
    }
}

fn names(reply: &Reply, files: &Value) -> Outcome<Vec<String>> {
    let files = files
        .as_array()
        .ok_or_else(|| reply.fail("a list of files", reply.text()))?;
    let names = files
        .iter()
        .map(|file| Ok(reply.text_of(file, "name")?.to_owned()));
    names.collect()
}
