//! `/workers` and `/whoami`.

use std::collections::BTreeMap;

use artifact_store::{DisplayName, Labels, PrincipalId, Worker, WorkerId};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::body::{self, Texts, present};
use super::text::Text;
use super::{Asked, Filter, filter, name_of, no_worker};
use crate::credential::Secret;
use crate::json;
use crate::problem::Problem;
use crate::routes::Ids;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default, deserialize_with = "present")]
    name: Option<Text>,
    #[serde(default, deserialize_with = "present")]
    labels: Option<Texts>,
}

#[derive(Serialize)]
struct Answer<'w> {
    worker_id: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'w str>,
    experiment_id: &'w str,
    /// RFC 3339, in UTC.
    registered_at: String,
    registered_by: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'w BTreeMap<String, String>>,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_token: Option<&'w str>,
}

#[derive(Serialize)]
struct List<'w> {
    workers: Vec<Answer<'w>>,
}

#[derive(Serialize)]
struct Whoami<'w> {
    worker_id: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'w str>,
}

impl<'w> Answer<'w> {
    fn of(worker: &'w Worker, token: Option<&'w Secret>) -> Self {
        Self {
            worker_id: worker.id.as_str(),
            name: worker.name.as_ref().map(DisplayName::as_str),
            experiment_id: worker.experiment.as_str(),
            registered_at: worker.registered_at.to_string(),
            registered_by: worker.registered_by.as_str(),
            labels: worker.labels.as_ref().map(Labels::as_map),
            registration_token: token.map(Secret::expose),
        }
    }
}

pub(super) async fn register(asked: &Asked<'_>, body: Body) -> Result<Response, Problem> {
    let new: New = body::read(&asked.parts.headers, body).await?;
    let labels = new.labels.map(|texts| Labels::from(texts.0));
    let now = asked.now()?;
    let worker = Worker::new(
        WorkerId::mint(),
        asked.experiment.id.clone(),
        now,
        asked.principal.id(),
    )
    .with_name(name_of(new.name)?)
    .with_labels(labels);
    let issued = asked.identities.issue(worker.id).await?;
    let written = asked.identities().register_worker(&worker, &issued.hash);
    written.await?;
    let answer = Answer::of(&worker, Some(&issued.token));
    Ok(json::respond(StatusCode::OK, &answer))
}

pub(super) async fn list(asked: &Asked<'_>) -> Result<Response, Problem> {
    let home = &asked.experiment.id;
    let workers = match filter(asked)? {
        Filter::All => asked.identities().workers(home, None).await?,
        Filter::Named(name) => asked.identities().workers(home, Some(&name)).await?,
        Filter::Nothing => Vec::new(),
    };
    let workers = workers.iter().map(|worker| Answer::of(worker, None));
    let answer = List {
        workers: workers.collect(),
    };
    Ok(json::respond(StatusCode::OK, &answer))
}

pub(super) async fn read(asked: &Asked<'_>, ids: Ids) -> Result<Response, Problem> {
    let id = ids.worker.ok_or_else(no_worker)?;
    let worker = find(asked, id).await?;
    Ok(json::respond(StatusCode::OK, &Answer::of(&worker, None)))
}

pub(super) async fn reissue(asked: &Asked<'_>, ids: Ids) -> Result<Response, Problem> {
    let id = ids.worker.ok_or_else(no_worker)?;
    // A worker never changes but for its credential, so what is read before is true after.
    let worker = find(asked, id).await?;
    let issued = asked.identities.issue(id).await?;
    let home = &asked.experiment.id;
    let replaced = asked
        .identities()
        .replace_credential(home, id, &issued.hash);
    replaced.await?;
    let answer = Answer::of(&worker, Some(&issued.token));
    Ok(json::respond(StatusCode::OK, &answer))
}

pub(super) async fn whoami(asked: &Asked<'_>) -> Result<Response, Problem> {
    let PrincipalId::Worker(id) = asked.principal.id() else {
        return Err(no_worker());
    };
    let worker = find(asked, id).await?;
    let answer = Whoami {
        worker_id: worker.id.as_str(),
        name: worker.name.as_ref().map(DisplayName::as_str),
    };
    Ok(json::respond(StatusCode::OK, &answer))
}

async fn find(asked: &Asked<'_>, id: WorkerId) -> Result<Worker, Problem> {
    let found = asked.identities().worker(&asked.experiment.id, id);
    found.await?.ok_or_else(no_worker)
}
