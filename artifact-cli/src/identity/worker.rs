//! `artifact worker` and `artifact whoami`.

use std::path::Path;

use anyhow::{Context, Result};
use artifact_client::{ErrorKind, ExposeSecret as _, NewWorker, RegisteredWorker};
use serde_json::json;

use super::command::CredentialOutput;
use super::{WorkerCommand, print};
use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};
use crate::failure::setup;
use crate::{files, output};

pub(crate) async fn worker(context: &ClientContext, command: WorkerCommand) -> Result<()> {
    until_interrupted(run(context, command)).await
}

pub(crate) async fn whoami(context: &ClientContext, Json { json }: Json) -> Result<()> {
    until_interrupted(async {
        let whoami = context.client.whoami().await;
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
        WorkerCommand::Add {
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
            output.write(&registered)
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
            output.write(&registered.map_err(explain)?)
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
                // A server without these endpoints does not tell when a token expires.
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

impl CredentialOutput {
    /// Checks that the file can be created. The server shows a credential only once, so this comes before
    /// the request.
    fn check(&self) -> Result<()> {
        let Some(path) = &self.token_file else {
            return Ok(());
        };
        let shown = path.display();
        if path.symlink_metadata().is_ok() {
            return Err(setup(format!(
                "{shown} already exists; give the name of a new file"
            )));
        }
        files::check_new_file(path)
            .map_err(|error| setup(format!("cannot create {shown}: {error}; give another file")))
    }

    /// Writes the credential to the file, or to standard output.
    fn write(&self, registered: &RegisteredWorker) -> Result<()> {
        let id = &registered.worker.worker_id;
        let token = registered.registration_token.expose_secret();
        if let Some(path) = &self.token_file {
            return self.write_file(path, registered, &format!("{id}:{token}"));
        }
        output::note(format_args!(
            "the credential of {id} is shown only now; keep it in a file of mode 0600 for \
             --credential-file"
        ));
        let printed = if self.json.json {
            let json = serde_json::to_value(&registered.worker);
            let mut json = json.context("cannot write the worker as JSON")?;
            json["registration_token"] = token.into();
            print::json(&json)
        } else {
            output::data(format_args!("{id}:{token}"))
        };
        printed.inspect_err(|_| {
            output::note(format_args!(
                "the credential of {id} could not be printed; get another one with: artifact worker reissue \
                 {id}"
            ));
        })
    }

    fn write_file(
        &self,
        path: &Path,
        registered: &RegisteredWorker,
        credential: &str,
    ) -> Result<()> {
        let id = &registered.worker.worker_id;
        let shown = path.display();
        files::create_secret(path, credential).with_context(|| {
            format!(
                "the server gave {id} a new credential, but {shown} cannot be written; get another \
                 credential with: artifact worker reissue {id}"
            )
        })?;
        output::note(format_args!(
            "the credential is in {shown}; use it with --credential-file"
        ));
        if self.json.json {
            print::json(&registered.worker)
        } else {
            output::data(id)
        }
    }
}
