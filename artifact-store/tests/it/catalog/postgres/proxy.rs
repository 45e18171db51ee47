//! A wire to the database that can be cut at the moment when an answer comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections to a server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// How many answers still pass; none is swallowed while it is negative.
    passing: AtomicI32,
    cut: AtomicU32,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            passing: AtomicI32::new(-1),
            cut: AtomicU32::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next answer is swallowed, and its connection cut.
    pub(crate) fn swallow_the_next_answer(&self) {
        self.swallow_the_answer_after(0);
    }

    /// The answer that comes after so many others is.
    pub(crate) fn swallow_the_answer_after(&self, others: i32) {
        self.state.passing.store(others, Ordering::SeqCst);
    }

    /// How many were.
    pub(crate) fn swallowed(&self) -> u32 {
        self.state.cut.load(Ordering::SeqCst)
    }
}

async fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        tokio::io::copy(&mut from_client, &mut to_server)
            .await
            .map(drop)
    };
    let answers = async {
        let mut piece = vec![0; 64 << 10];
        loop {
            let length = from_server.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            if state.passing.fetch_sub(1, Ordering::SeqCst) == 0 {
                state.cut.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            to_client.write_all(&piece[..length]).await?;
        }
    };
    // Whichever side ends, both do; a reset is an end too.
    let _: std::io::Result<()> = tokio::select! {
        ended = requests => ended,
        ended = answers => ended,
    };
}
