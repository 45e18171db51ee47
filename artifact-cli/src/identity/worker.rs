//! `artifact worker` and `artifact whoami`.

use anyhow::Result;
use artifact_client::{ErrorKind, NewWorker, RegisteredWorker};
use serde_json::json;

use super::credential_output::IssuedCredential;
use super::{WorkerCommand, print};
use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};
use crate::failure::setup;
use crate::output;

pub(crate) async fn worker(context: &ClientContext, command: WorkerCommand) -> Result<()> {
    until_interrupted(run(context, command)).await
}

pub(crate) async fn whoami(context: &ClientContext, Json { json }: Json) -> Result<()> {
    until_interrupted(async {
        let client = &context.client;
        // An administrator is no worker, but may read its own record.
        let principal = client.principal().unwrap_or_default();
        if principal.starts_with("adm_") {
            let found = client.administrator_info(principal).await;
            let found = found.map_err(|error| context.explain(error))?;
            return if json {
                print::json(&found)
            } else {
                output::data(found.administrator_id)
            };
        }
        let whoami = client.whoami().await;
        let whoami = whoami.map_err(|error| context.explain(error))?;
        if json {
            print::json(&whoami)
        } else {
            output::data(whoami.worker_id)
        }
    })
    .await
}

async fn run(context: &ClientContext, command: WorkerCommand) -> Result<()> {
    let client = &context.client;
    let explain = |error| context.explain(error);
    match command {
        WorkerCommand::Create {
            name,
            labels,
            expires_in,
            output,
        } => {
            let mut worker = new_worker(name, &labels)?;
            if let Some(period) = expires_in {
                worker = worker.with_token_expires_in(period.0);
            }
            output.check()?;
            let registered = client.register_worker(&worker).await.map_err(explain)?;
            output.write(&issued(&registered)?)
        }
        WorkerCommand::Reissue {
            worker,
            expires_in,
            output,
        } => {
            output.check()?;
            let registered = match expires_in {
                Some(period) => client.issue_token(&worker, period.0).await,
                None => client.reissue_credential(&worker).await,
            };
            output.write(&issued(&registered.map_err(explain)?)?)
        }
        WorkerCommand::Revoke { worker } => client.revoke_token(&worker).await.map_err(explain),
        WorkerCommand::Delete { worker } => client.delete_worker(&worker).await.map_err(explain),
        WorkerCommand::List {
            name,
            json: Json { json },
        } => {
            let workers = client.list_workers(name.as_deref()).await;
            let workers = workers.map_err(explain)?;
            if json {
                return print::json(&json!({ "workers": workers }));
            }
            let mut workers = workers.iter();
            workers.try_for_each(|worker| print::line(&worker.worker_id, worker.name.as_deref()))
        }
        WorkerCommand::Show {
            worker,
            json: Json { json },
        } => {
            let worker = match client.worker_info(&worker).await {
                // A server without these endpoints does not say when a token expires.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    client.read_worker(&worker).await
                }
                found => found,
            };
            let worker = worker.map_err(explain)?;
            if json {
                print::json(&worker)
            } else {
                print::worker(&worker)
            }
        }
    }
}

fn new_worker(name: Option<String>, labels: &[String]) -> Result<NewWorker> {
    let mut worker = NewWorker::default();
    if let Some(name) = name {
        worker = worker.with_name(name);
    }
    for label in labels {
        let (key, value) = label
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| setup(format!("a label must be KEY=VALUE, not '{label}'")))?;
        worker = worker.with_label(key, value);
    }
    Ok(worker)
}

fn issued(registered: &RegisteredWorker) -> Result<IssuedCredential<'_>> {
    let RegisteredWorker {
        worker,
        registration_token,
        ..
    } = registered;
    let again = "artifact worker reissue";
    IssuedCredential::new(&worker.worker_id, registration_token, worker, again)
}
