//! `artifact worker` and `artifact whoami`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifact_client::{ExposeSecret as _, NewWorker, RegisteredWorker};
use serde_json::json;

use super::{Call, print};
use crate::failure::setup;
use crate::{files, output};

pub(super) async fn add(call: &Call<'_>) -> Result<()> {
    let mut worker = NewWorker::default();
    if let Some(name) = call.option("name") {
        worker = worker.with_name(name);
    }
    let labels = call.matches.get_many::<String>("label");
    for label in labels.into_iter().flatten() {
        let (key, value) = label
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| setup(format!("a label is written KEY=VALUE, not '{label}'")))?;
        worker = worker.with_label(key, value);
    }
    let target = target(call)?;
    let registered = call.answer(call.client.register_worker(&worker).await)?;
    hand_over(call, &registered, target)
}

pub(super) async fn reissue(call: &Call<'_>) -> Result<()> {
    let target = target(call)?;
    let id = call.argument("WORKER");
    let registered = call.answer(call.client.reissue_credential(id).await)?;
    hand_over(call, &registered, target)
}

pub(super) async fn list(call: &Call<'_>) -> Result<()> {
    let workers = call.answer(call.client.list_workers(call.option("name")).await)?;
    if call.json() {
        return print::json(&json!({ "workers": workers }));
    }
    workers
        .iter()
        .try_for_each(|worker| print::line(&worker.worker_id, worker.name.as_deref()))
}

pub(super) async fn show(call: &Call<'_>) -> Result<()> {
    let id = call.argument("WORKER");
    let worker = call.answer(call.client.read_worker(id).await)?;
    if call.json() {
        print::json(&worker)
    } else {
        print::worker(&worker)
    }
}

pub(super) async fn whoami(call: &Call<'_>) -> Result<()> {
    let whoami = call.answer(call.client.whoami().await)?;
    if call.json() {
        print::json(&whoami)
    } else {
        output::data(whoami.worker_id)
    }
}

/// The file for the credential, seen to be one that can be made: once the server has been asked, what
/// it says cannot be asked for again.
fn target<'c>(call: &'c Call<'_>) -> Result<Option<&'c Path>> {
    let Some(path) = call.matches.get_one::<PathBuf>("token-file") else {
        return Ok(None);
    };
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        return Err(setup(format!(
            "{shown} is there already; give the name of a new file"
        )));
    }
    files::check_new_file(path)
        .map_err(|error| setup(format!("cannot make {shown}: {error}; give another file")))?;
    Ok(Some(path))
}

/// The one time that the secret is shown: into the file, or to standard output.
fn hand_over(call: &Call<'_>, registered: &RegisteredWorker, target: Option<&Path>) -> Result<()> {
    let id = &registered.worker.worker_id;
    let token = registered.registration_token.expose_secret();
    if let Some(path) = target {
        let written = files::create_secret(path, &format!("{id}:{token}"));
        written.with_context(|| {
            format!(
                "the server gave {id} a new credential, but {} cannot be written; give it another one \
                 by: artifact worker reissue {id}",
                path.display()
            )
        })?;
        output::note(format_args!(
            "its credential is in {}; use it by --credential-file",
            path.display()
        ));
        return if call.json() {
            print::json(&registered.worker)
        } else {
            output::data(id)
        };
    }
    output::note(format_args!(
        "the credential of {id} is shown this once; keep it in a file of mode 0600 for --credential-file"
    ));
    if call.json() {
        let mut json =
            serde_json::to_value(&registered.worker).context("that cannot be written as JSON")?;
        json["registration_token"] = token.into();
        print::json(&json)
    } else {
        output::data(format_args!("{id}:{token}"))
    }
}
