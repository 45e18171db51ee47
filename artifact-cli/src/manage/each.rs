//! `artifact delete`, `hold` and `release`: the same request for each of some artifacts.

use anyhow::{Result, anyhow};
use artifact_client::{Error, ErrorKind};

use super::{Artifacts, DeleteArguments};
use crate::connect::{ClientContext, until_interrupted};
use crate::{failure, output};

pub(crate) async fn delete(context: &ClientContext, arguments: DeleteArguments) -> Result<()> {
    let client = &context.client;
    let DeleteArguments {
        artifacts: Artifacts { uris },
        dry_run,
    } = arguments;
    if !dry_run {
        return each(context, &uris, "deleted", async |uri| {
            client.remove(uri).await
        })
        .await;
    }
    let check = async |uri: &str| {
        let info = client.info(uri).await?;
        Ok(match info.hold {
            Some(_) => Checked::Held,
            None => Checked::Deletable(info.artifact.size_bytes),
        })
    };
    until_interrupted(async {
        let mut failures = Failures::default();
        for uri in &uris {
            match check(uri).await {
                Ok(Checked::Deletable(bytes)) => {
                    output::data(format_args!("would delete {uri} ({bytes} bytes)"))?;
                }
                Ok(Checked::Held) => failures.count(uri, ErrorKind::Held.as_str()),
                Err(error) => failures.record(context, uri, error)?,
            }
        }
        failures.end(uris.len(), "would not be deleted")
    })
    .await
}

pub(crate) async fn hold(context: &ClientContext, artifacts: Artifacts) -> Result<()> {
    let client = &context.client;
    let uris = artifacts.uris;
    each(context, &uris, "held", async |uri| {
        client.place_hold(uri).await
    })
    .await
}

pub(crate) async fn release(context: &ClientContext, artifacts: Artifacts) -> Result<()> {
    let client = &context.client;
    let uris = artifacts.uris;
    each(context, &uris, "released", async |uri| {
        client.release_hold(uri).await
    })
    .await
}

/// What a dry run has found.
enum Checked {
    Deletable(u64),
    Held,
}

/// Sends a request for each artifact, also after one has failed, and prints what was done.
async fn each(
    context: &ClientContext,
    uris: &[String],
    done: &str,
    request: impl AsyncFn(&str) -> Result<(), Error>,
) -> Result<()> {
    until_interrupted(async {
        let mut failures = Failures::default();
        for uri in uris {
            match request(uri).await {
                Ok(()) => output::data(format_args!("{done} {uri}"))?,
                Err(error) => failures.record(context, uri, error)?,
            }
        }
        failures.end(uris.len(), &format!("could not be {done}"))
    })
    .await
}

/// The artifacts for which the command failed.
#[derive(Default)]
struct Failures(usize);

impl Failures {
    /// Prints the failure for one artifact. Fails itself if no other artifact has a chance.
    fn record(&mut self, context: &ClientContext, uri: &str, error: Error) -> Result<()> {
        let is_hopeless = match error.kind() {
            ErrorKind::Unauthorized | ErrorKind::WrongExperiment => true,
            ErrorKind::Unavailable => error.status().is_none(),
            _ => false,
        };
        if is_hopeless {
            return Err(context.explain(error));
        }
        self.count(uri, &failure::chain(&error));
        Ok(())
    }

    fn count(&mut self, uri: &str, why: &str) {
        self.0 += 1;
        output::note(format_args!("error: {}: {why}", output::printable(uri)));
    }

    /// Fails if there was a failure.
    fn end(self, all: usize, what: &str) -> Result<()> {
        match self.0 {
            0 => Ok(()),
            failed => Err(anyhow!("{failed} of {all} artifacts {what}")),
        }
    }
}
