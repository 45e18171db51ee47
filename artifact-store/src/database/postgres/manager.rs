//! Opens connections and sets up their sessions.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use artifact_backend::host;
use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, TimeoutType};
use deadpool_postgres::{ClientWrapper, Pool};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, SimpleQueryMessage};

use super::error::Failure;
use super::session::Session;
use super::target::{CONNECT_TIMEOUT, Host, Password, Target};
use super::tls::Tls;

/// How long the program's pool may take for a connection. Less than [`CONNECT_TIMEOUT`], so that the error
/// names that pool.
const PROGRAMS_POOL_TIMEOUT: Duration = Duration::from_secs(4);

/// Sets up a session, and returns the settings that make the server lose or refuse writes. Commits are synced before they are acknowledged, whatever is set for the
/// database or the user, but a stricter setting stays. Time-outs are in milliseconds. Settings that
/// older servers lack are set only where they exist, and connections are checked only on Linux, because
/// a server on another system may reject the setting.
const SESSION: &str = "\
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
    SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
        WHERE name IN ('idle_session_timeout', 'transaction_timeout'); \
    SELECT pg_catalog.set_config(name, '1000', false) FROM pg_catalog.pg_settings \
        WHERE name = 'client_connection_check_interval' AND pg_catalog.version() ~ 'linux'; \
    SET search_path = artifact; \
    SET default_transaction_isolation = 'read committed'; \
    SET statement_timeout = 10000; \
    SET lock_timeout = 5000; \
    SET idle_in_transaction_session_timeout = 30000; \
    SELECT name FROM pg_catalog.pg_settings \
        WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' \
            OR name = 'transaction_read_only' AND setting = 'on'";

/// Opens the connections of a pool.
#[derive(Debug, Clone)]
pub(super) struct Manager {
    source: Source,
    tls: Tls,
}

/// Where connections come from.
#[derive(Debug, Clone)]
enum Source {
    Url {
        hosts: Vec<(Host, u16)>,
        config: Box<Config>,
    },
    /// The pool of the program.
    Pool(Pool),
}

impl Manager {
    pub(super) fn new(target: &Target, password: Option<&Password>, tls: Tls) -> Self {
        let source = Source::Url {
            hosts: target.hosts().to_vec(),
            config: Box::new(target.config(password)),
        };
        Self { source, tls }
    }

    /// Takes the connections out of a pool. `tls` is that of cancel requests.
    pub(super) fn of_pool(pool: Pool, tls: Tls) -> Self {
        let source = Source::Pool(pool);
        Self { source, tls }
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }
}

impl managed::Manager for Manager {
    type Type = Session;
    type Error = Failure;

    async fn create(&self) -> Result<Session, Failure> {
        match &self.source {
            // Boxed, because the future is part of those of all callers.
            Source::Url { hosts, config } => Box::pin(self.connect(hosts, config))
                .await
                .map(Session::Own),
            Source::Pool(pool) => {
                let client = timeout(PROGRAMS_POOL_TIMEOUT, Box::pin(pool.get())).await;
                let client = client.unwrap_or(Err(PoolError::Timeout(TimeoutType::Wait)));
                let client = client.map_err(Failure::of_programs_pool)?;
                let session = Session::Pooled(Some(client));
                set_up(&session).await?;
                Ok(session)
            }
        }
    }

    async fn recycle(&self, client: &mut Session, _: &Metrics) -> RecycleResult<Failure> {
        if client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

impl Manager {
    /// Connects to the first host that accepts writes. Each host that does not answer leaves an equal
    /// part of the time to those after it.
    async fn connect(
        &self,
        hosts: &[(Host, u16)],
        config: &Config,
    ) -> Result<ClientWrapper, Failure> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let mut failure = Failure::timed_out();
        for (n, (host, port)) in hosts.iter().enumerate() {
            let until = share(deadline, hosts.len() - n);
            let mut config = config.clone();
            config.port(*port);
            match self.connect_host(host, config, until).await {
                Ok(client) => return Ok(client),
                // A host that is down may be the primary, so the start can be retried.
                Err(_) if n > 0 && failure.lost && !failure.is_read_only() => {}
                Err(next) => failure = next,
            }
        }
        Err(failure)
    }

    async fn connect_host(
        &self,
        host: &Host,
        mut config: Config,
        deadline: Instant,
    ) -> Result<ClientWrapper, Failure> {
        let name = match host {
            Host::Folder(folder) => {
                config.host_path(folder).ssl_mode(SslMode::Disable);
                return connect(&config, &self.tls, deadline).await;
            }
            Host::Name(name) => name,
        };
        let addresses = timeout_at(deadline, look_up(name)).await;
        let addresses = addresses.unwrap_or_else(|_| Err(Failure::timed_out()))?;
        config.host(name);
        let mut failure = Failure::timed_out();
        for (n, address) in addresses.iter().enumerate() {
            let mut config = config.clone();
            config.hostaddr(*address);
            match connect(&config, &self.tls, share(deadline, addresses.len() - n)).await {
                Ok(client) => return Ok(client),
                Err(next) => failure = next,
            }
        }
        Err(failure)
    }
}

/// Returns when the first of `parts` equal parts of the remaining time ends.
fn share(deadline: Instant, parts: usize) -> Instant {
    let now = Instant::now();
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    now + deadline.saturating_duration_since(now) / parts
}

/// Looks up the addresses of a host. The client library would panic if no thread can be had.
async fn look_up(name: &str) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let found = host::look_up(name.to_owned()).await;
    let found = found.map_err(Failure::to_look_up)?;
    Ok(found.iter().map(SocketAddr::ip).collect())
}

/// Opens a connection and sets up its session.
async fn connect(config: &Config, tls: &Tls, deadline: Instant) -> Result<ClientWrapper, Failure> {
    let connecting = async {
        let client = tls.connect(config).await.map_err(Failure::to_connect)?;
        set_up(&client).await?;
        Ok(client)
    };
    let connected = timeout_at(deadline, connecting).await;
    connected.unwrap_or_else(|_| Err(Failure::timed_out()))
}

async fn set_up(client: &ClientWrapper) -> Result<(), Failure> {
    let messages = client.simple_query(SESSION).await;
    for message in messages.map_err(Failure::to_connect)? {
        let SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        match row.try_get("name") {
            Ok(Some("transaction_read_only")) => return Err(Failure::read_only()),
            Ok(Some(name)) => tracing::warn!(
                "the database has {name} = off: a power cut can lose acknowledged writes; set it to on"
            ),
            _ => {}
        }
    }
    Ok(())
}
