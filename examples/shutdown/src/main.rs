//! A server that ends in the order that loses nothing: server, store, database, backend.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-shutdown
//!
//! A client has sent half of a file when the server is asked to stop. The deposit still succeeds, and the file is there when
//! the folder is opened again.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use artifact_http::{AdminToken, HttpConfig, HttpService};
use artifact_server::{Address, Listener, ServeOutcome, Server, ServerConfig};
use artifact_store::{
    ArtifactStore, Backend, ByteRange, Database, Experiment, Principal, StoreConfig, StoreHalves,
    Timestamp, authorize,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TOKEN: &str = "an-example-token-of-the-administrator";
const FILE: [&str; 2] = ["the first half, ", "and the rest"];

/// What a program holds while it serves.
struct Running {
    server: artifact_server::ServerHandle,
    served: JoinHandle<ServeOutcome>,
    store: ArtifactStore,
    database: Database,
    backend: Backend,
}

impl Running {
    async fn start(folder: &Path) -> Outcome<(Self, SocketAddr)> {
        let backend = Backend::from_url(&folder.join("blobs").to_string_lossy()).await?;
        let database = Database::from_url(&folder.join("rows.sqlite").to_string_lossy()).await?;
        backend.probe().await?;
        StoreHalves::new(&database, &backend).join().await?;
        let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
        database.catalog.create_experiment(&home).await?;
        let catalog = Arc::clone(&database.catalog);
        let store = ArtifactStore::new(backend.backend(), catalog, StoreConfig::default());

        let admin = Arc::new(AdminToken::new(TOKEN)?);
        let service = HttpService::new(store.clone(), admin, HttpConfig::default());
        let server = Server::new(service, ServerConfig::default());
        let listener = Listener::bind_tcp("127.0.0.1:0")?;
        let Address::Tcp { address, .. } = listener.address(false)? else {
            return Err("the listener has no TCP address".into());
        };
        let running = Self {
            server: server.handle(),
            served: tokio::spawn(server.serve(listener)),
            store,
            database,
            backend,
        };
        Ok((running, address))
    }

    /// The recipe. Each step needs what the later ones close.
    async fn stop(self) -> Outcome<()> {
        // 1. The server accepts no more connections, and finishes the requests in progress.
        self.server.drain();
        let outcome = self.served.await?;
        // 2. The store goes, with all tasks of the program that use it.
        drop(self.store);
        // 3. The database finishes its calls and closes its file or connections.
        self.database.close().await?;
        // 4. The backend finishes what dropped uploads left to do. After that the runtime may end.
        self.backend.close().await;
        match outcome {
            ServeOutcome::Drained => Ok(()),
            ServeOutcome::Aborted { connections } => {
                Err(format!("{connections} requests were cut").into())
            }
        }
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (running, address) = Running::start(folder.path()).await?;

    let mut client = TcpStream::connect(address).await?;
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                Content-Type: text/plain\r\n\r\n";
    let length = part.len() + FILE.concat().len() + "\r\n--b--\r\n".len();
    let head = format!(
        "POST /v0/experiments/demo/artifacts HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer admin:{TOKEN}\r\nX-Eden-Experiment-Id: demo\r\nExpect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await?;
    // The server has begun the request once it asks for the body.
    let mut go_on = [0; 25];
    client.read_exact(&mut go_on).await?;
    if !go_on.starts_with(b"HTTP/1.1 100") {
        return Err("the server did not ask for the body".into());
    }
    client
        .write_all(format!("{part}{}", FILE[0]).as_bytes())
        .await?;

    let handle = running.server.clone();
    let stopped = tokio::spawn(running.stop());
    handle.drain();
    // The listener is closed when connections are refused; the request goes on.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    client
        .write_all(format!("{}\r\n--b--\r\n", FILE[1]).as_bytes())
        .await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 201") {
        return Err(answer.into());
    }
    stopped.await??;

    // SQLite has moved its log into the file, so a copy of the folder is complete.
    if folder.path().join("rows.sqlite-wal").exists() {
        return Err("the database was not closed".into());
    }
    let id = answer
        .split_once("eden://artifacts/")
        .ok_or("the answer has no URI")?
        .1;
    let id = id.get(..32).ok_or("the URI is too short")?.parse()?;
    let (again, _) = Running::start(folder.path()).await?;
    let row = again.store.row(&"demo".parse()?, id).await?;
    let grant = authorize(&Principal::admin(), row)?;
    let file = again
        .store
        .read(&grant, ByteRange::Full)
        .await?
        .into_bytes()
        .await?;
    again.stop().await?;
    if file != FILE.concat() {
        return Err("something else came back".into());
    }
    println!("{id}: deposited while the server was stopping");
    Ok(())
}
