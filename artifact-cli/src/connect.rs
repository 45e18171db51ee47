//! What the client commands share: the server, the experiment and the credential.

use anyhow::{Result, anyhow};
use artifact_client::{Client, ClientBuilder, Credential, Error, ErrorKind, RetryPolicy};
use secrecy::ExposeSecret;

use crate::failure::{interrupted, setup, setup_from};
use crate::settings::{ClientSettings, Secret, Sources, choose};
use crate::signals::Signals;
use crate::{files, output};

const ADVICE: &str = "give --admin-token-file, --credential-file, ARTIFACT_ADMIN_TOKEN or \
                      ARTIFACT_CREDENTIAL";

/// A client, and what its errors mention.
pub(crate) struct ClientContext {
    pub(crate) client: Client,
    /// The principal of the credential, if there is one and it names it.
    pub(crate) principal: Option<String>,
    server: String,
}

impl ClientContext {
    pub(crate) fn new(settings: &ClientSettings, sources: &Sources) -> Result<Self> {
        let credential = credential(settings, sources)?;
        let principal = credential.principal().map(str::to_owned);
        let builder = Client::builder(&settings.server, &settings.experiment, credential);
        let server = settings.server.clone();
        Self::build(builder, principal, server, settings, sources)
    }

    /// Makes a client that has no credential and fetches through this link.
    pub(crate) fn of_link(
        link: &str,
        settings: &ClientSettings,
        sources: &Sources,
    ) -> Result<Self> {
        let builder = Client::builder_of_link(link)
            .map_err(|error| setup(format!("the link cannot be used: {}", error.detail())))?;
        // Without the path, which is a secret.
        let server = link.split('/').take(3).collect::<Vec<_>>().join("/");
        Self::build(builder, None, server, settings, sources)
    }

    fn build(
        builder: ClientBuilder,
        principal: Option<String>,
        server: String,
        settings: &ClientSettings,
        sources: &Sources,
    ) -> Result<Self> {
        let client = trusting(builder, settings, sources)?
            .with_stall_timeout(settings.stall_timeout)
            .with_retry_policy(RetryPolicy::default().with_max_retries(settings.retries))
            .with_on_retry(|error, pause| {
                let seconds = pause.as_secs_f64();
                output::note(format_args!("{error}; again in {seconds:.1} s"));
            })
            .build()
            .map_err(|error| {
                let setting = if error.detail().contains("experiment") {
                    "experiment"
                } else {
                    "server"
                };
                let (name, detail) = (sources.name(setting), error.detail());
                setup(format!("{name} cannot be used: {detail}"))
            })?;
        Ok(Self {
            client,
            principal,
            server,
        })
    }

    /// Adds to an error of the client what the user can do about it.
    pub(crate) fn explain(&self, error: Error) -> anyhow::Error {
        let server = &self.server;
        let advice = match error.kind() {
            ErrorKind::InvalidInput => return setup_from(error, "the request cannot be sent"),
            ErrorKind::Untrusted => format!(
                "the certificate of the server at {server} is not trusted; give --ca-file with the certificate that \
                 issued it, and the name in the certificate as the host of --server"
            ),
            ErrorKind::Unavailable if error.status().is_none() => format!(
                "cannot reach a server at {server}; check that it is running, or give --server"
            ),
            ErrorKind::Unauthorized => format!(
                "the server at {server} does not accept the credential; give one of that server"
            ),
            _ => return error.into(),
        };
        anyhow!(error).context(advice)
    }
}

/// Gives a client the certificates of `--ca-file`.
fn trusting(
    builder: ClientBuilder,
    settings: &ClientSettings,
    sources: &Sources,
) -> Result<ClientBuilder> {
    let Some(path) = &settings.ca_file else {
        return Ok(builder);
    };
    let (name, shown) = (sources.name("ca_file"), path.display());
    let pem = files::read_small(path)
        .map_err(|error| setup_from(error, format!("cannot read {shown}; check {name}")))?;
    builder
        .with_root_certificates(pem.as_bytes())
        .map_err(|error| {
            let detail = error.detail();
            setup(format!("{name} ({shown}) cannot be used: {detail}"))
        })
}

/// Returns the credential whose setting has the highest precedence.
fn credential(settings: &ClientSettings, sources: &Sources) -> Result<Credential> {
    let given = [
        (
            "admin_token_file",
            settings.admin_token_file.as_deref().map(Secret::File),
        ),
        (
            "credential_file",
            settings.credential_file.as_deref().map(Secret::File),
        ),
        (
            "admin_token",
            settings.admin_token.as_ref().map(Secret::Text),
        ),
        ("credential", settings.credential.as_ref().map(Secret::Text)),
    ];
    let (setting, secret) = choose(given, sources)?
        .ok_or_else(|| setup(format!("there is no credential; {ADVICE}")))?;
    let name = sources.name(setting);
    let text = secret.read(ADVICE)?;
    let text = text.expose_secret();
    let credential = match setting {
        "admin_token_file" | "admin_token" => Credential::new("admin", text),
        _ => text.parse(),
    };
    // The client's message never repeats the secret.
    credential.map_err(|error| {
        let detail = error.detail();
        setup(format!("{name} does not hold a credential: {detail}"))
    })
}

/// Does the work unless SIGTERM or Ctrl-C arrives first. Then the work is dropped, together with its
/// temporary files.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut signals = Signals::new()?;
    tokio::select! {
        biased;
        done = work => done,
        signal = signals.next() => Err(interrupted(signal)),
    }
}
