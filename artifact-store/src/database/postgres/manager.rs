//! Opens connections and sets up their sessions.

use std::net::{IpAddr, SocketAddr};

use artifact_backend::host;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::error::Failure;
use super::target::{CONNECT_TIMEOUT, Host, Password, Target};

/// Sets up a session, and returns the settings of the server that make it lose commits. Commits are synced before they are acknowledged, whatever is set for the
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
        WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";

/// Opens the connections of a pool.
#[derive(Debug)]
pub(super) struct Manager {
    hosts: Vec<(Host, u16)>,
    config: Config,
}

impl Manager {
    pub(super) fn new(target: &Target, password: Option<&Password>) -> Self {
        Self {
            hosts: target.hosts().to_vec(),
            config: target.config(password),
        }
    }
}

impl managed::Manager for Manager {
    type Type = ClientWrapper;
    type Error = Failure;

    /// Connects to the first host that accepts writes. Each host that does not answer leaves an equal
    /// part of the time to those after it.
    async fn create(&self) -> Result<ClientWrapper, Failure> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let mut failure = Failure::timed_out();
        for (n, (host, port)) in self.hosts.iter().enumerate() {
            let until = share(deadline, self.hosts.len() - n);
            match self.connect_host(host, *port, until).await {
                Ok(client) => return Ok(client),
                // A host that is down may be the primary, so the start can be retried.
                Err(_) if n > 0 && failure.lost && !failure.is_read_only() => {}
                Err(next) => failure = next,
            }
        }
        Err(failure)
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Failure> {
        if client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

impl Manager {
    async fn connect_host(
        &self,
        host: &Host,
        port: u16,
        deadline: Instant,
    ) -> Result<ClientWrapper, Failure> {
        let mut config = self.config.clone();
        config.port(port);
        let name = match host {
            Host::Folder(folder) => {
                config.host_path(folder);
                return connect(&config, deadline).await;
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
            match connect(&config, share(deadline, addresses.len() - n)).await {
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
async fn connect(config: &Config, deadline: Instant) -> Result<ClientWrapper, Failure> {
    let connecting = async {
        let (client, connection) = config.connect(NoTls).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database failed");
            }
        });
        // Ends the task when it is dropped.
        let client = ClientWrapper::new(client, task);
        let messages = client.simple_query(SESSION).await?;
        Ok((client, messages))
    };
    let connected = timeout_at(deadline, connecting).await;
    let connected = connected.map(|connected| connected.map_err(Failure::to_connect));
    let (client, messages) = connected.unwrap_or_else(|_| Err(Failure::timed_out()))?;
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message
            && let Ok(Some(name)) = row.try_get("name")
        {
            tracing::warn!(
                "the database has {name} = off: a power cut can lose acknowledged writes; set it to on"
            );
        }
    }
    Ok(client)
}
