//! A proxy to the database that can swallow a reply and cut the connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

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
    /// The number of replies that still pass. Negative: no reply is swallowed.
    passing: AtomicI32,
    /// The reply with these bytes is swallowed.
    swallowed_text: Mutex<Option<&'static [u8]>>,
    cut: AtomicU32,
    requests: AtomicU32,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            passing: AtomicI32::new(-1),
            swallowed_text: Mutex::default(),
            cut: AtomicU32::new(0),
            requests: AtomicU32::new(0),
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

    /// Swallows the next reply and cuts its connection.
    pub(crate) fn swallow_next_reply(&self) {
        self.swallow_reply_after(0);
    }

    /// Swallows a reply after `passing` others and cuts its connection.
    pub(crate) fn swallow_reply_after(&self, passing: i32) {
        self.state.passing.store(passing, Ordering::SeqCst);
    }

    /// Swallows the next reply to `COMMIT` and cuts its connection.
    pub(crate) fn swallow_reply_to_commit(&self) {
        *self.state.swallowed_text.lock().unwrap() = Some(b"COMMIT\0");
    }

    /// Returns the number of pieces that clients have sent. A query is one, and so is the preparation
    /// of its statement.
    pub(crate) fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Returns the number of swallowed replies.
    pub(crate) fn swallowed(&self) -> u32 {
        self.state.cut.load(Ordering::SeqCst)
    }
}

impl State {
    /// Returns whether the reply has the text to swallow, at most once.
    fn swallows(&self, reply: &[u8]) -> bool {
        let mut text = self.swallowed_text.lock().unwrap();
        text.take_if(|text| reply.windows(text.len()).any(|part| part == *text))
            .is_some()
    }
}

async fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let mut piece = vec![0; 64 << 10];
        loop {
            let length = from_client.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            state.requests.fetch_add(1, Ordering::SeqCst);
            to_server.write_all(&piece[..length]).await?;
        }
    };
    let answers = async {
        let mut piece = vec![0; 64 << 10];
        loop {
            let length = from_server.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            if state.passing.fetch_sub(1, Ordering::SeqCst) == 0 || state.swallows(&piece[..length])
            {
                state.cut.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            to_client.write_all(&piece[..length]).await?;
        }
    };
    // When one side closes or resets the connection, both are closed.
    let _: std::io::Result<()> = tokio::select! {
        ended = requests => ended,
        ended = answers => ended,
    };
}
