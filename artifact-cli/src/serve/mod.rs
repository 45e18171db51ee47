//! `artifact serve`: opens a store and serves the endpoints of `artifact-http`.

pub(crate) mod admin_token;
pub(crate) mod audit;
mod banner;
pub(crate) mod bucket;
#[cfg(test)]
mod captured;
mod certificate;
mod check;
mod collect;
pub(crate) mod data_dir;
mod endpoints;
pub(crate) mod halves;
mod hooks;
mod json_log;
pub(crate) mod log_filter;
mod log_value;
pub(crate) mod logging;
mod metrics;
pub(crate) mod notes;
pub(crate) mod placement;
pub(crate) mod plan;
mod ready;
mod receipts;
mod reload;
mod scrub;
#[cfg_attr(
    not(all(target_os = "linux", not(artifact_not_linux))),
    path = "no_service_manager.rs"
)]
mod service_manager;
mod sweep;
mod text_log;
#[cfg_attr(not(feature = "otel"), path = "no_traces.rs")]
mod traces;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_audit::AuditLog;
use artifact_backend::background;
use artifact_http::{HttpService, IdentityAuthenticator};
use artifact_server::{
    Address, Listener, ServeOutcome, Server, ServerConfig, ServerHandle, raise_open_file_limit,
};
use artifact_store::{CollectionStore, ManagedStore, ReadinessProbe, Sharing};
use tokio::task::JoinSet;

pub(crate) use self::check::check;
use self::data_dir::Opened;
use self::hooks::ProblemHooks;
pub(crate) use self::logging::lost_lines;
use self::metrics::{MetricsListener, Samples};
use self::plan::ServePlan;
use self::reload::Reload;
pub(crate) use self::service_manager::InheritedSockets;
use self::traces::Traces;
use crate::failure::{setup, setup_from};
use crate::output;
use crate::settings::{ListenAddress, Loaded, LogFormat, ServeSettings, Sources};
use crate::signals::{Hangup, Signals};

/// How long the exit waits until the leftovers of aborted uploads are removed from a bucket.
const CLEANUP: Duration = Duration::from_secs(20);

/// Serves until a signal. Checks everything that can be checked before it creates anything.
pub(crate) async fn run(
    loaded: Arc<Loaded>,
    sockets: InheritedSockets,
    no_color: bool,
) -> Result<()> {
    // First, because the signal ends the process until it is caught.
    let hangup = Hangup::new()?;
    let settings = &loaded.settings::<ServeSettings>()?;
    let sources = &loaded.sources;
    let mut plan = ServePlan::new(settings, sources)?;
    let tls = plan.open_tls()?;
    let listener = bind(settings, sources, sockets)?;
    let address = listener.address(tls.is_some())?;
    let metrics = MetricsListener::bind(settings, sources)?;
    let traces = Traces::start(settings)?;
    let log = logging::init_with(&settings.log, settings.log_format, no_color, &traces);
    let server_config = server_config(settings)?;
    let mut signals = Signals::new()?;
    let opened = tokio::select! {
        opened = data_dir::open(&plan) => opened?,
        signal = signals.next() => {
            tracing::info!(signal = signal.name(), "shutting down before the start was complete");
            return Ok(());
        }
    };

    let audit = audit::open(&settings.audit)?;
    let receipts = receipts::open(&opened.database, plan.receipt_key.take()).await?;

    let managed = ManagedStore::new(
        opened.store.clone(),
        Arc::clone(&opened.database.inventory),
        opened.backend.inventory(),
    );
    // Other servers on the same database remove artifacts, too.
    let watch = managed.watch_removals();
    let sharing = Sharing::new(managed.clone(), Arc::clone(&opened.database.sharing));
    let collections =
        CollectionStore::new(managed.clone(), Arc::clone(&opened.database.collections));
    let mut config = endpoints::config(settings)?
        .with_management(managed)
        .with_sharing(sharing)
        .with_collections(collections);
    let readiness = opened.readiness();
    config = config.with_readiness(readiness.clone());
    if tls.is_some() {
        config = config.with_https();
    }
    if let Some(log) = &audit {
        config = config.with_audit(audit::of_requests(log, &settings.audit));
    }
    config = receipts::of_requests(config, receipts.as_ref());
    let admin = opened.token.authenticator(plan.old_token.as_ref())?;
    let identities =
        IdentityAuthenticator::new(Arc::clone(&opened.database.identities), admin.clone());
    let service =
        HttpService::with_identities(opened.store.clone(), Arc::new(identities), config.clone());

    warn_about_plain_http(tls.is_some(), &address);
    if settings.log_format == LogFormat::Text {
        // A program that reads lines of JSON has no use for them.
        output::note(banner::text(
            &plan,
            &opened.token.place,
            &address,
            endpoints::has_page(settings),
        ));
    }
    ready::announce(plan.ready_fd.as_ref(), &address);

    service_manager::ready(&address).await;

    let mut server = Server::new(service, server_config).with_metrics();
    let hooks = ProblemHooks::new(config).with_client(settings.audit.audit_log_client);
    server = server.with_hooks(hooks);
    let mut tasks = JoinSet::new();
    if let Some(tls) = &tls {
        server = server.with_tls(tls.clone());
    }
    let mut metrics_token = None;
    if let Some(metrics) = metrics {
        let samples = Samples::new(
            &plan,
            &opened.database,
            server.handle(),
            readiness.clone(),
            audit.as_ref(),
            tls.as_ref(),
        );
        metrics_token = Some(metrics.serve(&plan, samples, tls.clone(), &mut tasks)?);
    }
    tasks.spawn(async move { match service_manager::feed_watchdog().await {} });
    let reload = Reload::new(tls, admin, log, opened.shared.clone(), address);
    let reload = reload.with_audit(audit.clone()).with_metrics(metrics_token);
    tasks.spawn(reload.at_each(hangup, Arc::clone(&loaded)));
    let delay = settings.drain_delay;
    tasks.spawn(stop_at_signals(signals, server.handle(), readiness, delay));
    spawn_maintenance(&mut tasks, &opened, settings, audit.clone());
    receipts::spawn(&mut tasks, receipts, &settings.receipts);
    let outcome = server.serve(listener).await;
    drop(tasks);
    drop(watch);
    close(opened, audit).await;
    traces.close().await;
    match outcome {
        ServeOutcome::Drained => Ok(()),
        ServeOutcome::Aborted { connections } => Err(anyhow!(
            "{connections} connections were aborted with requests in flight; a longer --drain-timeout \
             gives them more time"
        )),
    }
}

/// Closes everything after the last request.
async fn close(opened: Opened, audit: Option<AuditLog>) {
    audit::close(audit).await;
    if let Err(error) = opened.database.close().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the database was not closed properly; no row is lost by that"
        );
    }
    // Aborted uploads leave parts in a bucket; removing them needs the runtime.
    if tokio::time::timeout(CLEANUP, opened.backend.close())
        .await
        .is_err()
    {
        tracing::warn!(
            "cannot remove all leftovers of aborted uploads; a later start removes them"
        );
    }
    // Releases the lock.
    drop(opened);
}

fn warn_about_plain_http(has_tls: bool, address: &Address) {
    if !has_tls && !address.is_loopback() {
        tracing::warn!(
            "other machines can connect, and connections are not encrypted: put a TLS proxy in front, or \
             give --tls-cert and --tls-key"
        );
    }
}

/// Starts what the server does on a schedule.
fn spawn_maintenance(
    tasks: &mut JoinSet<()>,
    opened: &Opened,
    settings: &ServeSettings,
    audit: Option<AuditLog>,
) {
    let schedule = &settings.schedule;
    let (inventory, interval) = (opened.backend.inventory(), schedule.sweep_interval);
    tasks.spawn(async move {
        match sweep::run(interval, |age| background(inventory.sweep(age))).await {}
    });
    let (gc_interval, scrub_interval) = (schedule.gc_interval, schedule.scrub_interval);
    if !gc_interval.is_zero() && opened.lasts {
        let collector = opened.collector();
        tasks.spawn(async move { match collect::run(gc_interval, collector, audit).await {} });
    }
    if !scrub_interval.is_zero() && opened.lasts {
        let scrubber = opened.scrubber(schedule.scrub_rate.0);
        tasks.spawn(async move { match scrub::run(scrub_interval, scrubber).await {} });
    }
}

/// Takes the socket of the service manager, or binds one. A file that this creates is removed again when the listener is
/// dropped.
fn bind(
    settings: &ServeSettings,
    sources: &Sources,
    sockets: InheritedSockets,
) -> Result<Listener> {
    if let Some(inherited) = sockets.listener()? {
        return match inherited.address(false)? {
            _ if !sources.is_default("listen") => Err(setup(format!(
                "{} is set, and the service manager passes a socket (LISTEN_FDS); leave one of them out",
                sources.name("listen")
            ))),
            Address::Unix(_) if settings.tls_cert.is_some() => Err(setup(
                "the service manager passes a Unix socket, which has no TLS; leave out --tls-cert and --tls-key",
            )),
            _ => Ok(inherited),
        };
    }
    let bound = match &settings.listen {
        ListenAddress::Tcp(address) => Listener::bind_tcp(address),
        ListenAddress::Unix(path) => Listener::bind_unix(path, settings.socket_mode.0),
    };
    bound.map_err(|error| setup_from(error, sources.name("listen")))
}

fn server_config(settings: &ServeSettings) -> Result<ServerConfig> {
    let max_connections = raise_open_file_limit(settings.max_connections);
    Ok(ServerConfig {
        header_timeout: settings.header_timeout,
        idle_timeout: settings.idle_timeout,
        throughput_window: settings.throughput_window,
        min_throughput: settings.min_throughput.0,
        drain_timeout: settings.drain_timeout,
        max_connections: max_connections.map_err(|error| setup(error.to_string()))?,
        max_header_bytes: settings.max_header_bytes.as_usize(),
    })
}

/// Drains the server after the first signal and the delay, and aborts it at the second signal.
async fn stop_at_signals(
    mut signals: Signals,
    server: ServerHandle,
    readiness: ReadinessProbe,
    delay: Duration,
) {
    let signal = signals.next().await;
    tracing::info!(signal = signal.name(), "shutting down");
    readiness.shut_down();
    service_manager::stopping().await;
    let signal = if let Ok(signal) = tokio::time::timeout(delay, signals.next()).await {
        signal
    } else {
        server.drain();
        signals.next().await
    };
    tracing::warn!(signal = signal.name(), "shutting down at once");
    server.abort();
}
