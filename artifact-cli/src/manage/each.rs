//! `artifact delete`, `hold` and `release`: the same request for each of some artifacts.

use anyhow::{Result, anyhow};
use artifact_client::{Client, Error, ErrorKind};

use super::{Artifacts, DeleteArguments};
use crate::connect::{ClientContext, until_interrupted};
use crate::{failure, output};

pub(crate) async fn delete(context: &ClientContext, arguments: DeleteArguments) -> Result<()> {
    let DeleteArguments {
        artifacts: Artifacts { uris },
        dry_run,
    } = arguments;
    if !dry_run {
        return each(context, &uris, Request::Delete).await;
    }
    until_interrupted(async {
        let mut failures = Failures::default();
        for uri in &uris {
            match context.client.check_removal(uri).await {
                Ok(artifact) => {
                    let bytes = artifact.size_bytes;
                    output::data(format_args!("would delete {uri} ({bytes} bytes)"))?;
                }
                Err(error) => failures.record(context, uri, error)?,
            }
        }
        failures.end(uris.len(), "would not be deleted")
    })
    .await
}

pub(crate) async fn hold(context: &ClientContext, artifacts: Artifacts) -> Result<()> {
    each(context, &artifacts.uris, Request::Hold).await
}

pub(crate) async fn release(context: &ClientContext, artifacts: Artifacts) -> Result<()> {
    each(context, &artifacts.uris, Request::Release).await
}

/// What a command asks for.
#[derive(Debug, Clone, Copy)]
enum Request {
    Delete,
    Hold,
    Release,
}

impl Request {
    async fn send(self, client: &Client, uri: &str) -> Result<(), Error> {
        match self {
            Self::Delete => client.remove(uri).await,
            Self::Hold => client.place_hold(uri).await,
            Self::Release => client.release_hold(uri).await,
        }
    }

    /// Returns what is said of an artifact afterwards.
    fn done(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Hold => "held",
            Self::Release => "released",
        }
    }
}

/// Sends a request for each artifact, also after one has failed, and prints what was done.
async fn each(context: &ClientContext, uris: &[String], request: Request) -> Result<()> {
    until_interrupted(async {
        let done = request.done();
        let mut failures = Failures::default();
        for uri in uris {
            match request.send(&context.client, uri).await {
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
            ErrorKind::Unauthorized | ErrorKind::WrongExperiment | ErrorKind::Untrusted => true,
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
