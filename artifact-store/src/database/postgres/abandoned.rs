//! Connections whose statement got no answer in time.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use super::connections::Connection;
use super::target::CONNECT_TIMEOUT;

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
pub(super) struct Abandoned(Arc<Semaphore>);

impl Abandoned {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_ABANDONED)))
    }

    /// Asks the server to cancel the statement, and closes the connection once it has ended. Does not
    /// wait for that. Up to [`MAX_ABANDONED`] connections leave the pool at once; any other one keeps
    /// its part of the pool until it is closed.
    pub(super) fn cancel(&self, connection: Connection) {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok();
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
                timeout(CONNECT_TIMEOUT, cancel.cancel_query(NoTls)).await,
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
