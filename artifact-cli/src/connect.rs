//! What the client commands share: which server, which experiment, and who asks.

use anyhow::{Result, anyhow};
use artifact_client::{Client, Credential, ErrorKind, RetryPolicy};

use crate::failure::{interrupted, setup, setup_from};
use crate::settings::{Key, Loaded};
use crate::signals::Signals;
use crate::{files, output};

const HOW: &str = "give --admin-token-file, --credential-file, ARTIFACT_ADMIN_TOKEN or \
                   ARTIFACT_CREDENTIAL";

/// A client as the settings say.
pub(crate) fn client(loaded: &Loaded) -> Result<Client> {
    let credential = credential(loaded)?;
    let retries = loaded.number(Key::Retries)?.unwrap_or_default();
    let retries = u32::try_from(retries).unwrap_or(u32::MAX);
    Client::builder(
        loaded.text(Key::Server),
        loaded.text(Key::Experiment),
        credential,
    )
    .with_stall_timeout(loaded.seconds(Key::StallTimeout)?)
    .with_retry_policy(RetryPolicy::default().with_max_retries(retries))
    .with_on_retry(|error, pause| {
        let seconds = pause.as_secs_f64();
        output::note(format_args!("{error}; again in {seconds:.1} s"));
    })
    .build()
    .map_err(|error| {
        let which = match error.detail() {
            detail if detail.contains("experiment") => Key::Experiment,
            _ => Key::Server,
        };
        setup(format!(
            "{} cannot be used: {}",
            loaded.called(which),
            error.detail()
        ))
    })
}

/// The credential that stands nearest to the user: a flag before the environment before the file.
fn credential(loaded: &Loaded) -> Result<Credential> {
    let keys = [
        Key::AdminTokenFile,
        Key::CredentialFile,
        Key::AdminToken,
        Key::Credential,
    ];
    let given = keys.into_iter().filter_map(|key| {
        let rank = loaded.value(key)?.source.rank();
        Some((rank, key))
    });
    let given: Vec<_> = given.collect();
    let strongest = given.iter().map(|(rank, _)| *rank).max();
    let mut strongest = given.iter().filter(|(rank, _)| Some(*rank) == strongest);
    let Some((_, key)) = strongest.next() else {
        return Err(setup(format!("there is no credential; {HOW}")));
    };
    if let Some((_, other)) = strongest.next() {
        return Err(setup(format!(
            "{} and {} both name a credential; give one of them",
            loaded.called(*key),
            loaded.called(*other)
        )));
    }
    let text = match key {
        Key::AdminTokenFile | Key::CredentialFile => {
            let path = loaded.path(*key);
            files::read_secret(&path)?
                .ok_or_else(|| setup(format!("there is no file {}; {HOW}", path.display())))?
        }
        _ => loaded.text(*key).to_owned(),
    };
    let credential = match key {
        Key::AdminTokenFile | Key::AdminToken => Credential::new("admin", &text),
        _ => text.parse(),
    };
    // The client's message never repeats the secret.
    credential.map_err(|error| {
        setup(format!(
            "what {} gives is no credential: {}",
            loaded.called(*key),
            error.detail()
        ))
    })
}

/// A failure of the client, with what to do about it where that is not plain.
pub(crate) fn failed(error: artifact_client::Error, loaded: &Loaded) -> anyhow::Error {
    let server = loaded.text(Key::Server);
    let advice = match error.kind() {
        ErrorKind::InvalidInput => return setup_from(error, "that cannot be sent"),
        ErrorKind::Unavailable if error.status().is_none() => {
            format!("no server answers at {server}; see that it runs, or give --server")
        }
        ErrorKind::Unauthorized => {
            format!("the server at {server} does not take the credential; give its own")
        }
        _ => return error.into(),
    };
    anyhow!(error).context(advice)
}

/// Does the work, unless SIGTERM or Ctrl-C comes first: then it is dropped, with its temporary
/// files.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut signals = Signals::new()?;
    tokio::select! {
        biased;
        done = work => done,
        end = signals.next() => Err(interrupted(end)),
    }
}
