//! Connections whose statement got no answer in time.

#[cfg(all(test, feature = "postgres-tls"))]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connections::Connection;
use super::target::CONNECT_TIMEOUT;
use super::tls::Tls;

/// How many connections of a pool may wait for the end of a cancelled statement while the pool opens
/// others in their place.
const MAX_ABANDONED: usize = 4;
/// How long a connection waits for the end of a cancelled statement. Then it is closed, because a
/// server that hangs for longer may have been replaced by another one.
const LINGER: Duration = Duration::from_mins(5);

/// The connections of a pool whose statement is being cancelled.
///
/// The server does not notice that a client has gone while a commit waits for a standby or for the
/// disk. Without the cancel request, and without the limit, each time-out would leave one more
/// session on the server.
#[derive(Debug)]
pub(super) struct Abandoned {
    permits: Arc<Semaphore>,
    tls: Tls,
}

impl Abandoned {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_ABANDONED)),
            tls,
        }
    }

    /// Asks the server to cancel the statement, and closes the connection once it has ended. Does not
    /// wait for that. Up to [`MAX_ABANDONED`] connections leave the pool at once; any other one keeps
    /// its part of the pool until it is closed.
    pub(super) fn cancel(&self, connection: Connection) {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let tls = self.tls.clone();
        let (client, pooled) = match &permit {
            Some(_) => (Some(Object::take(connection)), None),
            None => (None, Some(connection)),
        };
        tokio::spawn(async move {
            let _permit = permit;
            let Some(client) = client.as_ref().or(pooled.as_deref()) else {
                return;
            };
            let cancel = client.cancel_token();
            if !matches!(
                timeout(CONNECT_TIMEOUT, tls.cancel(&cancel)).await,
                Ok(Ok(()))
            ) {
                tracing::warn!("a statement of the database could not be cancelled");
            }
            // Answered once the cancelled statement has ended, or with an error once the connection
            // is closed.
            let _ = timeout(LINGER, client.simple_query("")).await;
            if let Some(connection) = pooled {
                drop(Object::take(connection));
            }
        });
    }
}
