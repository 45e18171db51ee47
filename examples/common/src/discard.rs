//! The rest of a request that was refused.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};

/// The largest number of chunks that [`discard`] reads.
const MAX_CHUNKS: usize = 10_000;

/// Reads and discards the rest of a refused request, for at most ten seconds. A server that answers and closes the connection
/// while the client still sends makes TCP reset the connection, and the client may lose the answer (RFC 9112, section 9.6).
pub async fn discard<T>(body: impl Stream<Item = T>) {
    let mut rest = pin!(body.take(MAX_CHUNKS));
    let read = async { while rest.next().await.is_some() {} };
    // The answer is the same whether the client has sent everything or not.
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await;
}
