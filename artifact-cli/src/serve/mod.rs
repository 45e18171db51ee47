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
mod log_filter;
mod log_value;
pub(crate) mod logging;
pub(crate) mod notes;
pub(crate) mod placement;
pub(crate) mod plan;
mod ready;
mod reload;
mod scrub;
#[cfg_attr(
    not(all(target_os = "linux", not(artifact_not_linux))),
    path = "no_service_manager.rs"
)]
mod service_manager;
mod sweep;
mod text_log;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_audit::AuditLog;
use artifact_backend::background;
use artifact_http::{HttpService, IdentityAuthenticator};
use artifact_server::{
    Address, Listener, ServeOutcome, Server, ServerConfig, ServerHandle, raise_open_file_limit,
};
use artifact_store::{CollectionStore, ManagedStore, Sharing};
use tokio::task::JoinSet;

pub(crate) use self::check::check;
use self::data_dir::Opened;
use self::hooks::ProblemHooks;
pub(crate) use self::logging::lost_lines;
use self::plan::ServePlan;
use self::reload::Reload;
pub(crate) use self::service_manager::InheritedSockets;
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
    let plan = ServePlan::new(settings, sources)?;
    let tls = plan.open_tls()?;
    let listener = bind(settings, sources, sockets)?;
    let address = listener.address(tls.is_some())?;
    let log = logging::init(&settings.log, settings.log_format, no_color);
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
    if tls.is_some() {
        config = config.with_https();
    }
    if let Some(log) = &audit {
        config = config.with_audit(audit::of_requests(log, &settings.audit));
    }
    let admin = opened.token.authenticator()?;
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

    let mut server = Server::new(service, server_config);
    let hooks = ProblemHooks::new(config).with_client(settings.audit.audit_log_client);
    server = server.with_hooks(hooks);
    let mut tasks = JoinSet::new();
    if let Some(tls) = &tls {
        server = server.with_tls(tls.clone());
    }
    tasks.spawn(async move { match service_manager::feed_watchdog().await {} });
    let reload = Reload::new(tls, admin, log, opened.shared.clone(), address);
    let reload = reload.with_audit(audit.clone());
    tasks.spawn(reload.at_each(hangup, Arc::clone(&loaded)));
    tasks.spawn(stop_at_signals(signals, server.handle()));
    spawn_maintenance(&mut tasks, &opened, settings, audit.clone());
    let outcome = server.serve(listener).await;
    drop(tasks);
    drop(watch);
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
    match outcome {
        ServeOutcome::Drained => Ok(()),
        ServeOutcome::Aborted { connections } => Err(anyhow!(
            "{connections} connections were aborted with requests in flight; a longer --drain-timeout \
             gives them more time"
        )),
    }
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

/// Drains the server at the first signal, and aborts it at the second.
async fn stop_at_signals(mut signals: Signals, server: ServerHandle) {
    let signal = signals.next().await;
    tracing::info!(signal = signal.name(), "shutting down");
    service_manager::stopping().await;
    server.drain();
    let signal = signals.next().await;
    tracing::warn!(signal = signal.name(), "shutting down at once");
    server.abort();
}
