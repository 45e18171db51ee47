//! Grants and links, under `/v1/`. A server may leave them out.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::management::{get, manage};
use crate::call::Call;
use crate::check::{is_id, is_utc};
use crate::form::noise;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Artifact, Context, Credential, Site};

scenarios!("sharing":
    grants_are_described_and_listed ["S-2", "S-4"],
    a_grant_lets_a_worker_read_and_nothing_else ["F-4", "S-1", "S-2"],
    a_grant_to_a_group_counts_for_its_members ["S-2"],
    revoked_grants_do_not_count ["S-3"],
    expired_grants_do_not_count ["S-3"],
    grants_end_with_their_grantee ["S-3"],
    only_depositors_and_administrators_share ["S-1"],
    malformed_grants_and_links_are_refused ["S-2", "S-5"],
    a_link_fetches_without_a_credential ["S-5", "S-6"],
    links_are_listed_without_their_secrets ["S-4", "S-5"],
    links_that_do_not_work_have_one_answer ["S-3", "S-6"],
    downloads_are_counted_exactly ["S-7"],
    links_end_with_the_token_of_their_maker ["S-3"],
);

/// How long a scenario waits for the end of what lasts one second.
const PATIENCE: Duration = Duration::from_secs(4);

/// An artifact of a new worker.
struct Shared {
    owner: Credential,
    artifact: Artifact,
    path: String,
}

impl Shared {
    /// Deposits an artifact. Skips the scenario if the server shares nothing.
    async fn new(site: &Site) -> Outcome<Self> {
        Self::of_length(site, 1000).await
    }

    async fn of_length(site: &Site, length: usize) -> Outcome<Self> {
        let owner = site.worker().await?;
        let artifact = site.put(&owner, noise(length)).await?;
        let id = artifact.uri.len().saturating_sub(32);
        let id = artifact.uri.get(id..).unwrap_or_default();
        let path = format!("/artifacts/{id}");
        let probe = get(site, &format!("{path}/grants"), &owner).await?;
        if probe.status == 404 {
            let text = "this server does not share artifacts, which is optional";
            return Err(Stop::Skipped(text.to_owned()));
        }
        Ok(Self {
            owner,
            artifact,
            path,
        })
    }

    async fn send(
        &self,
        site: &Site,
        who: &Credential,
        method: &str,
        rest: &str,
        body: Option<&Value>,
    ) -> Outcome<Reply> {
        let path = format!("{}{rest}", self.path);
        let mut call = manage(site, method, &path).await?.by(who);
        if let Some(body) = body {
            call = call.json(body.to_string());
        }
        call.send().await
    }

    async fn grant(&self, site: &Site, body: &Value) -> Outcome<(Reply, Value)> {
        let reply = self.send(site, &self.owner, "POST", "/grants", Some(body));
        let reply = reply.await?;
        let grant = reply.json(201)?;
        Ok((reply, grant))
    }

    async fn link(&self, site: &Site, body: &Value) -> Outcome<(Reply, Value)> {
        let reply = self.send(site, &self.owner, "POST", "/links", Some(body));
        let reply = reply.await?;
        if reply.status == 404 {
            let text = "this server has no links, which are optional";
            return Err(Stop::Skipped(text.to_owned()));
        }
        let link = reply.json(201)?;
        Ok((reply, link))
    }

    async fn revoke(&self, site: &Site, kind: &str, record: &Value) -> Outcome {
        let id = record["id"].as_str().unwrap_or_default();
        let path = format!("/{kind}/{id}");
        let reply = self.send(site, &self.owner, "DELETE", &path, None).await?;
        reply.status(204)?.content(b"")?;
        Ok(())
    }

    /// Returns the answers to a worker that asks for the artifact in each way.
    async fn reads(&self, site: &Site, who: &Credential) -> Outcome<[Reply; 3]> {
        Ok([
            site.fetch(who, &self.artifact).send().await?,
            get(site, &self.path, who).await?,
            get(site, &format!("{}/content", self.path), who).await?,
        ])
    }

    async fn check_reads(&self, site: &Site, who: &Credential, may_read: bool) -> Outcome {
        for reply in self.reads(site, who).await? {
            if may_read {
                reply.status(200)?;
            } else {
                reply.problem(403, "forbidden")?;
            }
        }
        Ok(())
    }
}

/// Starts a request for the URL of a link, without a credential.
fn follow<'s>(site: &'s Site, method: &str, reply: &Reply, link: &Value) -> Outcome<Call<'s>> {
    let url = reply.text_of(link, "url")?;
    let path = url.find("/v1/links/").and_then(|at| url.get(at..));
    let path = path.ok_or_else(|| reply.fail("a `url` with /v1/links/", url))?;
    Ok(site.bare(method, path))
}

fn records<'v>(reply: &Reply, page: &'v Value, name: &str) -> Outcome<&'v Vec<Value>> {
    let records = page[name].as_array();
    records.ok_or_else(|| reply.fail(format!("a list of {name}"), reply.text()))
}

async fn grants_are_described_and_listed(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let mut made = Vec::new();
    for expires in [true, false, true] {
        let reader = site.worker().await?;
        let mut new = json!({ "worker": reader.principal });
        if expires {
            new["expires_in"] = 3600.into();
        }
        let (reply, grant) = shared.grant(&site, &new).await?;
        let fields = [
            "id",
            "experiment",
            "artifact",
            "worker",
            "group",
            "created_at",
            "created_by",
            "expires_at",
        ];
        reply.members(&grant, &fields)?;
        let id = reply.text_of(&grant, "id")?;
        reply.check(is_id(id, "gnt"), "the id of a grant", id)?;
        let location = format!(
            "/v1/experiments/{}{}/grants/{id}",
            site.subject.experiment, shared.path
        );
        let found = reply.field("location")?;
        reply.check(found.ends_with(&location), &location, found)?;
        let is_described = grant["worker"] == *reader.principal
            && grant["group"].is_null()
            && grant["created_by"] == *shared.owner.principal
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
        let reply = shared
            .send(&site, &shared.owner, "GET", &path, None)
            .await?;
        let page = reply.json(200)?;
        let grants = records(&reply, &page, "grants")?;
        reply.check(grants.len() <= 2, "at most two grants", reply.text())?;
        found.extend(grants.clone());
        let Some(next) = page["next"].as_str() else {
            let expected = json!(made).to_string();
            return reply.check(found == made, &expected, json!(found).to_string());
        };
        after = format!("&after={next}");
    }
    Err(Stop::failed("the pages of grants", "a last page", "none"))
}

async fn a_grant_lets_a_worker_read_and_nothing_else(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (reader, other) = (site.worker().await?, site.worker().await?);
    shared.check_reads(&site, &reader, false).await?;
    let new = json!({ "worker": reader.principal });
    let (_, grant) = shared.grant(&site, &new).await?;
    shared.check_reads(&site, &reader, true).await?;
    shared.check_reads(&site, &other, false).await?;
    let id = grant["id"].as_str().unwrap_or_default();
    for (method, rest, body) in [
        ("DELETE", String::new(), None),
        ("DELETE", format!("/grants/{id}"), None),
        ("GET", "/grants".to_owned(), None),
        (
            "POST",
            "/grants".to_owned(),
            Some(json!({ "worker": other.principal })),
        ),
        ("PUT", "/hold".to_owned(), None),
    ] {
        let reply = shared.send(&site, &reader, method, &rest, body.as_ref());
        reply.await?.problem(403, "forbidden")?;
    }
    shared.check_reads(&site, &other, false).await?;
    let list = get(&site, "/artifacts", &reader).await?;
    let page = list.json(200)?;
    let artifacts = records(&list, &page, "artifacts")?;
    list.check(artifacts.is_empty(), "an empty list", list.text())
}

async fn a_grant_to_a_group_counts_for_its_members(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (direct, nested, late) = (
        site.worker().await?,
        site.worker().await?,
        site.worker().await?,
    );
    let inner = site.group(&[&nested.principal]).await?;
    let outer = site.group(&[&direct.principal, &inner]).await?;
    shared.grant(&site, &json!({ "group": outer })).await?;
    shared.check_reads(&site, &direct, true).await?;
    shared.check_reads(&site, &nested, true).await?;
    shared.check_reads(&site, &late, false).await?;
    site.add(&inner, &late.principal).await?.status(200)?;
    shared.check_reads(&site, &late, true).await?;
    site.remove(&outer, &inner).await?.status(200)?;
    shared.check_reads(&site, &nested, false).await?;
    shared.check_reads(&site, &direct, true).await
}

async fn revoked_grants_do_not_count(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let reader = site.worker().await?;
    let new = json!({ "worker": reader.principal });
    let (_, first) = shared.grant(&site, &new).await?;
    // It takes the place of the first one, so that one revocation is enough.
    let (_, second) = shared.grant(&site, &new).await?;
    shared.revoke(&site, "grants", &second).await?;
    shared.check_reads(&site, &reader, false).await?;
    for grant in [&first, &second] {
        let path = format!("/grants/{}", grant["id"].as_str().unwrap_or_default());
        let again = shared.send(&site, &shared.owner, "DELETE", &path, None);
        again.await?.problem(404, "not-found")?;
    }
    Ok(())
}

async fn expired_grants_do_not_count(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let reader = site.worker().await?;
    let new = json!({ "worker": reader.principal, "expires_in": 1 });
    shared.grant(&site, &new).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = site.fetch(&reader, &shared.artifact).send().await?;
        if reply.status == 403 {
            break;
        }
        let is_late = Instant::now() >= deadline;
        reply.check(
            !is_late,
            "403 once the grant has expired",
            reply.status.to_string(),
        )?;
        sleep(Duration::from_millis(50)).await;
    }
    shared.check_reads(&site, &reader, false).await?;
    let reply = shared
        .send(&site, &shared.owner, "GET", "/grants", None)
        .await?;
    let page = reply.json(200)?;
    let grants = records(&reply, &page, "grants")?;
    reply.check(grants.is_empty(), "no grant", reply.text())
}

async fn grants_end_with_their_grantee(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let reader = site.worker().await?;
    let group = site.group(&[&reader.principal]).await?;
    shared.grant(&site, &json!({ "group": group })).await?;
    shared.check_reads(&site, &reader, true).await?;
    let call = site.call("DELETE", &format!("/groups/{group}"));
    call.by(&site.admin).send().await?.status(204)?;
    shared.check_reads(&site, &reader, false).await
}

async fn only_depositors_and_administrators_share(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let stranger = site.stranger().await?;
    let grant = json!({ "worker": stranger.principal });
    for (method, rest, body) in [("GET", "/grants", None), ("POST", "/grants", Some(&grant))] {
        let reply = shared.send(&site, stranger, method, rest, body).await?;
        reply.problem(403, "forbidden")?;
    }
    shared.check_reads(&site, stranger, false).await?;
    let member = site.worker().await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &member.principal).await?.status(200)?;
    for who in [&site.admin, &member] {
        let reply = shared.send(&site, who, "POST", "/grants", Some(&grant));
        let made = reply.await?.json(201)?;
        let path = format!("/grants/{}", made["id"].as_str().unwrap_or_default());
        let reply = shared.send(&site, who, "DELETE", &path, None).await?;
        reply.status(204)?;
    }
    site.remove(&admins, &member.principal).await?.status(200)?;
    let reply = shared.send(&site, &member, "GET", "/grants", None).await?;
    reply.problem(403, "forbidden")?;
    let absent = "/artifacts/00000000000000000000000000000000/grants";
    let reply = get(&site, absent, &site.admin).await?;
    reply.problem(404, "not-found")?;
    Ok(())
}

async fn malformed_grants_and_links_are_refused(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    shared.link(&site, &json!({ "expires_in": 60 })).await?;
    let reader = site.worker().await?;
    let worker = &reader.principal;
    for (rest, body) in [
        ("/grants", json!({})),
        (
            "/grants",
            json!({ "worker": worker, "group": "grp_0123456789abcdefghjkmnpqrs" }),
        ),
        ("/grants", json!({ "group": worker })),
        ("/grants", json!({ "worker": worker, "expires_in": 0 })),
        (
            "/grants",
            json!({ "worker": worker, "expires_at": "2020-01-01T00:00:00Z" }),
        ),
        ("/links", json!({})),
        ("/links", json!({ "expires_in": 0 })),
        ("/links", json!({ "expires_in": 60, "max_downloads": 0 })),
    ] {
        let reply = shared.send(&site, &shared.owner, "POST", rest, Some(&body));
        reply.await?.problem(400, "bad-request")?;
    }
    let unknown = json!({ "worker": "wkr_0123456789abcdefghjkmnpqrs" });
    let reply = shared.send(&site, &shared.owner, "POST", "/grants", Some(&unknown));
    reply.await?.problem(404, "not-found")?;
    shared.check_reads(&site, &reader, false).await
}

async fn a_link_fetches_without_a_credential(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let other = Shared::of_length(&site, 999).await?;
    let (reply, link) = shared.link(&site, &json!({ "expires_in": 3600 })).await?;
    let id = reply.text_of(&link, "id")?;
    reply.check(is_id(id, "lnk"), "the id of a link", id)?;
    let (second, other_link) = other.link(&site, &json!({ "expires_in": 3600 })).await?;
    for (shared, reply, link) in [(&shared, &reply, &link), (&other, &second, &other_link)] {
        let whole = follow(&site, "GET", reply, link)?.send().await?;
        whole.status(200)?.content(&shared.artifact.bytes)?;
        whole.has("referrer-policy", "no-referrer")?;
        whole.has("cache-control", "private, no-store")?;
        whole.has("x-content-type-options", "nosniff")?;
        let disposition = whole.field("content-disposition")?;
        let is_attachment = disposition.starts_with("attachment");
        whole.check(is_attachment, "attachment", disposition)?;
        let call = follow(&site, "GET", reply, link)?.with("range", "bytes=10-19");
        let part = call.send().await?;
        part.status(206)?.content(&shared.artifact.bytes[10..20])?;
        let etag = whole.field("etag")?.to_owned();
        let call = follow(&site, "GET", reply, link)?.with("if-none-match", &etag);
        call.send().await?.status(304)?;
        let head = follow(&site, "HEAD", reply, link)?.send().await?;
        head.status(200)?.has("etag", &etag)?;
    }
    let wrong = Credential::new("admin", "wrong");
    let call = follow(&site, "GET", &reply, &link)?.by(&wrong);
    call.send().await?.status(200)?;
    let put = follow(&site, "PUT", &reply, &link)?.send().await?;
    put.status(405)?.has("allow", "GET, HEAD")?;
    Ok(())
}

async fn links_are_listed_without_their_secrets(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let new = json!({ "expires_in": 3600, "max_downloads": 5 });
    let (reply, link) = shared.link(&site, &new).await?;
    let url = reply.text_of(&link, "url")?;
    let secret = url.rsplit('/').next().unwrap_or_default();
    let list = shared
        .send(&site, &shared.owner, "GET", "/links", None)
        .await?;
    let page = list.json(200)?;
    let links = records(&list, &page, "links")?;
    list.check(links.len() == 1, "one link", list.text())?;
    let mut expected = link.clone();
    if let Some(members) = expected.as_object_mut() {
        members.remove("url");
    }
    let hides = links[0] == expected && !list.text().contains(secret);
    list.check(hides, &expected.to_string(), list.text())
}

async fn links_that_do_not_work_have_one_answer(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let once = json!({ "expires_in": 3600, "max_downloads": 1 });
    let (used_reply, used) = shared.link(&site, &once).await?;
    let got = follow(&site, "GET", &used_reply, &used)?.send().await?;
    got.status(200)?.content(&shared.artifact.bytes)?;
    let lasting = json!({ "expires_in": 3600 });
    let (revoked_reply, revoked) = shared.link(&site, &lasting).await?;
    shared.revoke(&site, "links", &revoked).await?;
    let removed = Shared::new(&site).await?;
    let (removed_reply, of_removed) = removed.link(&site, &lasting).await?;
    let call = removed.send(&site, &removed.owner, "DELETE", "", None);
    call.await?.status(204)?;

    let unknown = format!("/v1/links/{}", "5e".repeat(32));
    let mut bodies = Vec::new();
    for call in [
        site.bare("GET", unknown),
        site.bare("GET", "/v1/links/x"),
        follow(&site, "GET", &used_reply, &used)?,
        follow(&site, "GET", &revoked_reply, &revoked)?,
        follow(&site, "GET", &removed_reply, &of_removed)?,
    ] {
        let reply = call.send().await?;
        reply.problem(404, "not-found")?;
        bodies.push(reply);
    }
    for reply in &bodies {
        reply.check(
            reply.body == bodies[0].body,
            &bodies[0].text(),
            reply.text(),
        )?;
    }
    Ok(())
}

async fn downloads_are_counted_exactly(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let new = json!({ "expires_in": 3600, "max_downloads": 5 });
    let (reply, link) = shared.link(&site, &new).await?;
    let etag = follow(&site, "HEAD", &reply, &link)?.send().await?;
    let etag = etag.status(200)?.field("etag")?.to_owned();
    for _ in 0..7 {
        let head = follow(&site, "HEAD", &reply, &link)?;
        head.send().await?.status(200)?;
        let same = follow(&site, "GET", &reply, &link)?.with("if-none-match", &etag);
        same.send().await?.status(304)?;
        let outside = follow(&site, "GET", &reply, &link)?.with("range", "bytes=9999-");
        outside.send().await?.status(416)?;
    }
    let part = follow(&site, "GET", &reply, &link)?.with("range", "bytes=0-0");
    part.send().await?.status(206)?;
    let calls = (0..12).map(|_| follow(&site, "GET", &reply, &link));
    let calls = calls.collect::<Outcome<Vec<_>>>()?;
    let replies = join_all(calls.into_iter().map(Call::send)).await;
    let replies = replies.into_iter().collect::<Outcome<Vec<Reply>>>()?;
    let succeeded = replies.iter().filter(|reply| reply.status == 200).count();
    let is_exact = succeeded == 4;
    replies[0].check(is_exact, "four downloads", succeeded.to_string())?;
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn links_end_with_the_token_of_their_maker(site: Context) -> Outcome {
    let shared = Shared::new(&site).await?;
    let (reply, link) = shared.link(&site, &json!({ "expires_in": 3600 })).await?;
    let got = follow(&site, "GET", &reply, &link)?.send().await?;
    got.status(200)?;
    let path = format!("/workers/{}/token", shared.owner.principal);
    let revocation = manage(&site, "DELETE", &path).await?.by(&site.admin);
    revocation.send().await?.status(204)?;
    let got = follow(&site, "GET", &reply, &link)?.send().await?;
    got.problem(404, "not-found")?;
    // A new token does not bring it back.
    let issue = manage(&site, "POST", &path).await?.by(&site.admin);
    issue.send().await?.status(200)?;
    let got = follow(&site, "GET", &reply, &link)?.send().await?;
    got.problem(404, "not-found")?;
    Ok(())
}
