//! Grants of collections. A server may leave them out.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Collection;
use crate::check::{is_id, is_utc};
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::scenarios::management::{get, manage};
use crate::site::{Context, Credential, Site, fetch_path};

scenarios!("collections":
    grants_of_a_collection_are_described_and_listed ["S-2", "S-4", "S-8"],
    a_grant_of_a_collection_lets_a_worker_read_and_nothing_else ["F-4", "K-2", "S-1", "S-8"],
    a_grant_of_a_collection_counts_for_later_files_and_members ["S-2", "S-8"],
    grants_of_a_collection_that_have_ended_do_not_count ["S-3", "S-8"],
    grants_of_a_collection_end_with_it_and_with_their_grantee ["S-3", "S-8"],
    only_the_owner_and_administrators_share_a_collection ["S-1", "S-8"],
);

/// How long a scenario waits for the end of what lasts one second.
const PATIENCE: Duration = Duration::from_secs(4);

/// A collection with the file `a`.
struct Shared<'s> {
    collection: Collection<'s>,
    /// The path of the artifact of the file.
    artifact: String,
    uri: String,
}

impl<'s> Shared<'s> {
    /// Skips the scenario if the server has no collections, or shares none.
    async fn new(site: &'s Site) -> Outcome<Self> {
        let collection = Collection::new(site).await?;
        let probe = collection.ask(&collection.owner, "GET", "/grants").await?;
        if probe.status == 404 {
            let text = "this server does not share collections, which is optional";
            return Err(Stop::Skipped(text.to_owned()));
        }
        let reply = collection.put("a", b"shared").await?;
        let file = reply.json(201)?;
        let artifact = format!("/artifacts/{}", reply.text_of(&file, "id")?);
        let uri = reply.text_of(&file, "artifacts_uri")?.to_owned();
        Ok(Self {
            collection,
            artifact,
            uri,
        })
    }

    async fn send(
        &self,
        who: &Credential,
        method: &str,
        rest: &str,
        body: &Value,
    ) -> Outcome<Reply> {
        let collection = &self.collection;
        let path = format!("{}{rest}", collection.path);
        let call = manage(collection.site, method, &path).await?.by(who);
        call.json(body.to_string()).send().await
    }

    async fn grant(&self, body: &Value) -> Outcome<(Reply, Value)> {
        let owner = &self.collection.owner;
        let reply = self.send(owner, "POST", "/grants", body).await?;
        let grant = reply.json(201)?;
        Ok((reply, grant))
    }

    async fn revoke(&self, grant: &Value) -> Outcome<Reply> {
        let path = format!("/grants/{}", grant["id"].as_str().unwrap_or_default());
        let collection = &self.collection;
        collection.ask(&collection.owner, "DELETE", &path).await
    }

    /// Returns the answers to a worker that reads the collection and the file in each way.
    async fn reads(&self, who: &Credential) -> Outcome<Vec<Reply>> {
        let (site, collection) = (self.collection.site, &self.collection);
        let content = format!("{}/content", self.artifact);
        let fetch = site.call("GET", &fetch_path(&self.uri)).by(who);
        let mut replies = vec![
            fetch.send().await?,
            get(site, &self.artifact, who).await?,
            get(site, &content, who).await?,
        ];
        for (method, rest) in [
            ("GET", ""),
            ("GET", "/files"),
            ("HEAD", "/files/a"),
            ("GET", "/files/a"),
        ] {
            replies.push(collection.ask(who, method, rest).await?);
        }
        Ok(replies)
    }

    async fn check_reads(&self, who: &Credential, may_read: bool) -> Outcome {
        for reply in self.reads(who).await? {
            reply.status(if may_read { 200 } else { 403 })?;
        }
        // Whether a name is given is not said to others.
        let absent = self.collection.ask(who, "GET", "/files/absent").await?;
        absent.status(if may_read { 404 } else { 403 })?;
        Ok(())
    }
}

fn grants<'v>(reply: &Reply, page: &'v Value) -> Outcome<&'v Vec<Value>> {
    let grants = page["grants"].as_array();
    grants.ok_or_else(|| reply.fail("a list of grants", reply.text()))
}

async fn grants_of_a_collection_are_described_and_listed(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let owner = &shared.collection.owner;
    let mut made = Vec::new();
    for expires in [true, false, true] {
        let reader = site.worker().await?;
        let mut new = json!({ "worker": reader.principal });
        if expires {
            new["expires_in"] = 3600.into();
        }
        let (reply, grant) = shared.grant(&new).await?;
        let fields = [
            "id",
            "experiment",
            "collection",
            "worker",
            "group",
            "created_at",
            "created_by",
            "expires_at",
        ];
        reply.members(&grant, &fields)?;
        let id = reply.text_of(&grant, "id")?;
        reply.check(is_id(id, "gnt"), "the id of a grant", id)?;
        let (path, experiment) = (&shared.collection.path, &site.subject.experiment);
        let location = format!("/v1/experiments/{experiment}{path}/grants/{id}");
        let found = reply.field("location")?;
        reply.check(found.ends_with(&location), &location, found)?;
        let collection = grant["collection"].as_str().unwrap_or_default();
        let is_described = path.ends_with(&format!("/{collection}"))
            && grant["worker"] == *reader.principal
            && grant["group"].is_null()
            && grant["created_by"] == *owner.principal
            && grant["expires_at"]
                .as_str()
                .map_or(!expires, |at| expires && is_utc(at));
        reply.check(is_described, "the grant that was made", reply.text())?;
        made.push(grant);
    }
    made.sort_by_key(|grant| grant["id"].as_str().unwrap_or_default().to_owned());
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..made.len() + 2 {
        let path = format!("/grants?limit=2{after}");
        let reply = shared.collection.ask(owner, "GET", &path).await?;
        let page = reply.json(200)?;
        let some = grants(&reply, &page)?;
        reply.check(some.len() <= 2, "at most two grants", reply.text())?;
        found.extend(some.clone());
        let Some(next) = page["next"].as_str() else {
            let expected = json!(made).to_string();
            return reply.check(found == made, &expected, json!(found).to_string());
        };
        after = format!("&after={next}");
    }
    Err(Stop::failed("the pages of grants", "a last page", "none"))
}

async fn a_grant_of_a_collection_lets_a_worker_read_and_nothing_else(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (reader, other) = (site.worker().await?, site.worker().await?);
    shared.check_reads(&reader, false).await?;
    let (_, grant) = shared.grant(&json!({ "worker": reader.principal })).await?;
    shared.check_reads(&reader, true).await?;
    shared.check_reads(&other, false).await?;
    let revocation = format!("/grants/{}", grant["id"].as_str().unwrap_or_default());
    let to_other = json!({ "worker": other.principal });
    for (method, rest) in [
        ("PUT", "/files/b"),
        ("DELETE", "/files/a"),
        ("POST", "/seal"),
        ("DELETE", ""),
        ("GET", "/grants"),
        ("POST", "/grants"),
        ("DELETE", &revocation),
    ] {
        let reply = shared.send(&reader, method, rest, &to_other).await?;
        reply.problem(403, "forbidden")?;
    }
    for (method, rest) in [
        ("DELETE", ""),
        ("PUT", "/hold"),
        ("POST", "/grants"),
        ("GET", "/grants"),
    ] {
        let path = format!("{}{rest}", shared.artifact);
        let call = manage(&site, method, &path).await?.by(&reader);
        let reply = call.json(to_other.to_string()).send().await?;
        reply.problem(403, "forbidden")?;
    }
    shared.check_reads(&other, false).await?;
    for path in ["/collections", "/artifacts"] {
        let list = get(&site, path, &reader).await?;
        let page = list.json(200)?;
        let records = page[&path[1..]].as_array();
        let is_empty = records.is_some_and(Vec::is_empty);
        list.check(is_empty, "an empty list", list.text())?;
    }
    let owner = &shared.collection.owner;
    let sealed = shared.collection.ask(owner, "POST", "/seal").await?;
    let manifest = sealed.json(200)?;
    let read = shared.collection.ask(&reader, "GET", "/manifest").await?;
    read.check(read.json(200)? == manifest, "the manifest", read.text())?;
    let refused = shared.collection.ask(&other, "GET", "/manifest").await?;
    refused.problem(403, "forbidden")?;
    Ok(())
}

async fn a_grant_of_a_collection_counts_for_later_files_and_members(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (direct, nested, late) = (
        site.worker().await?,
        site.worker().await?,
        site.worker().await?,
    );
    let inner = site.group(&[&nested.principal]).await?;
    let outer = site.group(&[&direct.principal, &inner]).await?;
    shared.grant(&json!({ "group": outer })).await?;
    let reply = shared.collection.put("b/later", b"later").await?;
    let file = reply.json(201)?;
    let content = format!("/artifacts/{}/content", reply.text_of(&file, "id")?);
    for (who, status) in [(&direct, 200), (&nested, 200), (&late, 403)] {
        let fetched = shared.collection.ask(who, "GET", "/files/b/later").await?;
        fetched.status(status)?;
        get(&site, &content, who).await?.status(status)?;
        shared.check_reads(who, status == 200).await?;
    }
    site.add(&inner, &late.principal).await?.status(200)?;
    shared.check_reads(&late, true).await?;
    site.remove(&outer, &inner).await?.status(200)?;
    shared.check_reads(&nested, false).await?;
    // A file beside the collection is not shared by it.
    let other = Collection::new(&site).await?;
    other.put("a", b"other").await?.json(201)?;
    let refused = other.ask(&direct, "GET", "/files/a").await?;
    refused.problem(403, "forbidden")?;
    Ok(())
}

async fn grants_of_a_collection_that_have_ended_do_not_count(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let reader = site.worker().await?;
    let new = json!({ "worker": reader.principal });
    let (_, first) = shared.grant(&new).await?;
    // It takes the place of the first one, so that one revocation is enough.
    let (_, second) = shared.grant(&new).await?;
    shared.revoke(&second).await?.status(204)?.content(b"")?;
    shared.check_reads(&reader, false).await?;
    for grant in [&first, &second] {
        shared.revoke(grant).await?.problem(404, "not-found")?;
    }
    let brief = json!({ "worker": reader.principal, "expires_in": 1 });
    shared.grant(&brief).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = shared.collection.ask(&reader, "GET", "/files").await?;
        if reply.status == 403 {
            break;
        }
        let is_early = Instant::now() < deadline;
        let seen = reply.status.to_string();
        reply.check(is_early, "403 once the grant has expired", seen)?;
        sleep(Duration::from_millis(50)).await;
    }
    shared.check_reads(&reader, false).await?;
    let owner = &shared.collection.owner;
    let reply = shared.collection.ask(owner, "GET", "/grants").await?;
    let page = reply.json(200)?;
    let is_empty = grants(&reply, &page)?.is_empty();
    reply.check(is_empty, "no grant", reply.text())
}

async fn grants_of_a_collection_end_with_it_and_with_their_grantee(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (member, reader) = (site.worker().await?, site.worker().await?);
    let group = site.group(&[&member.principal]).await?;
    shared.grant(&json!({ "group": group })).await?;
    shared.grant(&json!({ "worker": reader.principal })).await?;
    shared.check_reads(&member, true).await?;
    let call = site.call("DELETE", &format!("/groups/{group}"));
    call.by(&site.admin).send().await?.status(204)?;
    shared.check_reads(&member, false).await?;
    shared.check_reads(&reader, true).await?;
    let collection = &shared.collection;
    let deleted = collection.ask(&collection.owner, "DELETE", "").await?;
    deleted.status(204)?;
    for who in [&reader, &collection.owner] {
        for rest in ["", "/files", "/files/a", "/grants"] {
            let reply = collection.ask(who, "GET", rest).await?;
            reply.problem(404, "not-found")?;
        }
        let reply = get(&site, &shared.artifact, who).await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn only_the_owner_and_administrators_share_a_collection(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (stranger, member) = (site.worker().await?, site.worker().await?);
    let grant = json!({ "worker": stranger.principal });
    for method in ["GET", "POST"] {
        let reply = shared.send(&stranger, method, "/grants", &grant).await?;
        reply.problem(403, "forbidden")?;
    }
    shared.check_reads(&stranger, false).await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &member.principal).await?.status(200)?;
    for who in [&site.admin, &member] {
        let reply = shared.send(who, "POST", "/grants", &grant).await?;
        let made = reply.json(201)?;
        let path = format!("/grants/{}", made["id"].as_str().unwrap_or_default());
        let reply = shared.collection.ask(who, "DELETE", &path).await?;
        reply.status(204)?;
    }
    for body in [
        json!({}),
        json!({ "worker": stranger.principal, "expires_in": 0 }),
        json!({ "group": stranger.principal }),
    ] {
        let owner = &shared.collection.owner;
        let reply = shared.send(owner, "POST", "/grants", &body).await?;
        reply.problem(400, "bad-request")?;
    }
    let unknown = json!({ "worker": "wkr_0123456789abcdefghjkmnpqrs" });
    let absent = "/collections/col_00000000000000000000000000000000/grants";
    let reply = shared.send(&shared.collection.owner, "POST", "/grants", &unknown);
    reply.await?.problem(404, "not-found")?;
    let reply = get(&site, absent, &site.admin).await?;
    reply.problem(404, "not-found")?;
    Ok(())
}
