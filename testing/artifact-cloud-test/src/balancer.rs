//! A TCP load balancer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// The time-out of one connection attempt, after which the next address is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A load balancer for TCP connections. Each connection goes to the next address in turn, or to the one
/// after it if no server listens there. It does not parse HTTP. Dropping it cuts all connections.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a loopback port and distributes connections over `targets`.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub async fn start(targets: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("cannot listen for the balancer"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("cannot read the balancer's port"))?;
        let task = tokio::spawn(accept(listener, targets.into()));
        Ok(Self { address, task })
    }

    /// Returns the address that it listens on.
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
    // Dropped with this task, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(forward(client, Arc::clone(&targets), Arc::clone(&turn)));
    }
}

async fn forward(mut client: TcpStream, targets: Arc<[SocketAddr]>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for step in 0..targets.len() {
        let target = targets[(first + step) % targets.len()];
        if let Ok(Ok(mut server)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // A failure of either side closes both connections, and the client must see that.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
