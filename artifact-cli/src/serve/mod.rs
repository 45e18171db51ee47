//! `artifact serve`: opens a store and serves the router of `artifact-http`.

mod accept;
mod admin_token;
mod banner;
mod bucket;
mod connection;
mod connections;
mod data_dir;
mod descriptors;
mod json_log;
mod linger;
mod listen;
mod logging;
mod plan;
mod ready;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod unix_socket;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_http::{AdminToken, HttpConfig, IdentityAuthenticator};
use secrecy::ExposeSecret;

use self::accept::Ended;
use self::connection::{Front, Limits};
use self::listen::Address;
use self::plan::ServePlan;
use self::tls::Tls;
use crate::output;
use crate::settings::{LogFormat, ServeSettings, Sources};
use crate::signals::{Hangup, Signals};

/// The minimum age of a crashed deposit's leftovers that are removed at the start.
const LEFTOVER_AGE: Duration = Duration::from_hours(24);

/// How long the exit waits until the leftovers of aborted uploads are removed from a bucket.
const CLEANUP: Duration = Duration::from_secs(20);

/// Serves until a signal. Checks everything that can be checked before it creates anything.
pub(crate) async fn run(
    settings: &ServeSettings,
    sources: &Sources,
    no_color: bool,
) -> Result<()> {
    let plan = ServePlan::new(settings, sources)?;
    let tls = settings
        .tls_files()?
        .map(|(certificate, key)| Tls::open(certificate.to_owned(), key.to_owned()))
        .transpose()?;
    let name = sources.name("listen");
    let listener = listen::bind(&settings.listen, settings.socket_mode, &name)?;
    let address = listener.address(tls.is_some())?;
    logging::init(&settings.log, settings.log_format, no_color);
    let mut signals = Signals::new()?;
    // Without TLS, SIGHUP ends the server like any other program.
    let mut hangup = Hangup::new(tls.is_some())?;
    let opened = data_dir::open(&plan).await?;

    let mut config = HttpConfig::default()
        .with_max_uploads(settings.max_uploads)
        .with_max_uploads_per_principal(settings.max_uploads_per_principal);
    if let Some(url) = &settings.public_url {
        config = config.with_public_url(url);
    }
    if tls.is_some() {
        config = config.with_https();
    }
    let admin = AdminToken::new(opened.token.expose_secret())?;
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
                "removed leftovers of earlier runs"
            ),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot remove leftovers of earlier runs; the next start tries again"
            ),
        }
    });

    if let Address::Tcp {
        address,
        tls: false,
    } = address
        && !address.ip().is_loopback()
    {
        tracing::warn!(
            "other machines can connect, and connections are not encrypted: put a TLS proxy in front, or \
             give --tls-cert and --tls-key"
        );
    }
    if settings.log_format == LogFormat::Text {
        // A program that reads lines of JSON has no use for them.
        output::note(banner::text(&plan, &address));
    }
    ready::announce(plan.ready_fd.as_ref(), &address);

    let limits = Limits {
        header: settings.header_timeout,
        idle: settings.idle_timeout,
        window: settings.throughput_window,
        rate: settings.min_throughput.0,
        drain: settings.drain_timeout,
        connections: descriptors::connections_that_fit(settings.max_connections),
        header_bytes: settings.max_header_bytes.as_usize(),
    };
    let front = Front {
        router,
        config,
        limits,
    };
    let ended = accept::serve(listener, tls, front, &mut signals, &mut hangup).await;
    sweep.abort();
    // Aborted uploads leave parts in a bucket; removing them needs the runtime.
    if tokio::time::timeout(CLEANUP, opened.backend.close())
        .await
        .is_err()
    {
        tracing::warn!("cannot remove all leftovers of aborted uploads; a later start removes them");
    }
    // Closes the database and then releases the lock.
    drop(opened);
    match ended {
        Ended::Drained => Ok(()),
        Ended::Cut(requests) => Err(anyhow!(
            "{requests} connections were aborted with requests in flight; a longer --drain-timeout gives \
             them more time"
        )),
    }
}
