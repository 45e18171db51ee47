//! Spreads connections over several addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long it waits for one address before it tries the next.
const CONNECT: Duration = Duration::from_secs(1);

/// A balancer of TCP connections: each goes to the next address in turn, or, where nobody listens
/// there, to the one after it. It knows nothing of HTTP. Dropping it cuts all connections.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a port of the loopback and spreads over `targets`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(targets: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("listen as a balancer"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("ask for the balancer's port"))?;
        let task = tokio::spawn(accept(listener, targets.into()));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, targets: Arc<[SocketAddr]>) {
    let turn = Arc::new(AtomicUsize::new(0));
    // It ends with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(carry(client, Arc::clone(&targets), Arc::clone(&turn)));
    }
}

async fn carry(mut client: TcpStream, targets: Arc<[SocketAddr]>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for step in 0..targets.len() {
        let target = targets[(first + step) % targets.len()];
        if let Ok(Ok(mut server)) = timeout(CONNECT, TcpStream::connect(target)).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // Either side's failure ends both, which is what the client must see.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
