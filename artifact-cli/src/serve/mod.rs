//! `artifact serve`: our own first embedder of store and router.

mod bucket;
mod certificate;
mod data_dir;
mod database;
mod hints;
mod hooks;
mod json_log;
mod logging;
mod plan;
mod ready;
mod token;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_http::{AdminToken, HttpConfig, IdentityAuthenticator};
use artifact_server::{ServeOutcome, Server, ServerHandle, raise_open_file_limit};
use tokio::task::JoinSet;

use self::certificate::CertificateFiles;
use self::hooks::ProblemHooks;
use self::logging::LogFormat;
use self::plan::Plan;
use crate::output;
use crate::settings::Loaded;
use crate::signals::{Hangup, Signals};

/// How old a leftover of a crashed deposit must be before it is removed at the start.
const LEFTOVER_AGE: Duration = Duration::from_hours(24);

/// How long the end waits for the removal of what cut uploads left in a bucket.
const CLEANUP: Duration = Duration::from_secs(20);

/// Serves until a signal. Everything that can be refused is refused before anything is made.
pub(crate) async fn run(loaded: &Loaded, no_color: bool) -> Result<()> {
    let plan = Plan::new(loaded)?;
    let tls = plan.tls.as_ref().map(CertificateFiles::open).transpose()?;
    let listener = plan.bind()?;
    let address = listener.address(tls.is_some())?;
    logging::init(&plan, no_color);
    let signals = Signals::new()?;
    // Without TLS a hang-up of the terminal ends the server, as it does every program.
    let mut hangup = Hangup::new(tls.is_some())?;
    let opened = data_dir::open(&plan).await?;

    let mut config = HttpConfig::default()
        .with_max_uploads(plan.max_uploads)
        .with_max_uploads_per_principal(plan.max_uploads_per_principal);
    if let Some(url) = &plan.public_url {
        config = config.with_public_url(url);
    }
    if tls.is_some() {
        config = config.with_https();
    }
    let admin = AdminToken::new(&opened.token)?;
    let identities = IdentityAuthenticator::new(Arc::clone(&opened.identities), admin);
    let router = artifact_http::router_with_identities(
        opened.store.clone(),
        Arc::new(identities),
        config.clone(),
    );

    let inventory = opened.backend.inventory();
    let sweep = tokio::spawn(async move {
        match inventory.sweep(LEFTOVER_AGE).await {
            Ok(report) => tracing::info!(
                removed = report.removed,
                removed_bytes = report.removed_bytes,
                kept = report.kept,
                "swept leftovers of former runs"
            ),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leftovers of former runs could not be swept; the next start tries again"
            ),
        }
    });

    if tls.is_none() && !address.is_loopback() {
        tracing::warn!(
            "other machines can connect, and nothing is encrypted on the way: put a proxy that \
             speaks TLS in front, or give --tls-cert and \
             --tls-key"
        );
    }
    if plan.log_format == LogFormat::Text {
        // Among lines of JSON nobody would look for them.
        output::note(hints::text(&plan, &address));
    }
    ready::announce(&plan, &address);

    let mut limits = plan.limits;
    limits.max_connections = raise_open_file_limit(limits.max_connections);
    let mut server = Server::new(router, limits).with_hooks(ProblemHooks::new(config));
    let mut background = JoinSet::new();
    if let (Some(tls), Some(files)) = (tls, plan.tls.clone()) {
        server = server.with_tls(tls.clone());
        background.spawn(async move {
            loop {
                hangup.next().await;
                files.reload(&tls);
            }
        });
    }
    background.spawn(stop_at_signals(signals, server.handle()));
    let outcome = server.serve(listener).await;
    drop(background);
    sweep.abort();
    // What cut uploads left in a bucket is removed, which only works while there is a runtime.
    if tokio::time::timeout(CLEANUP, opened.backend.close())
        .await
        .is_err()
    {
        tracing::warn!("not all that cut uploads left could be removed; a later start sweeps it");
    }
    // The database is closed, and the lock given back, once nothing uses them any more.
    drop(opened);
    match outcome {
        ServeOutcome::Drained => Ok(()),
        ServeOutcome::Aborted { connections } => Err(anyhow!(
            "{connections} connections were cut with requests in flight; --drain-timeout gives them \
             longer"
        )),
    }
}

/// Drains the server at the first signal, and aborts it at the second.
async fn stop_at_signals(mut signals: Signals, server: ServerHandle) {
    let signal = signals.next().await;
    tracing::info!(signal = signal.name(), "shutting down");
    server.drain();
    let signal = signals.next().await;
    tracing::warn!(signal = signal.name(), "shutting down at once");
    server.abort();
}
