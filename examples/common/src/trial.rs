//! A client that tests a program as its users would use it.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Client, Method, RequestBuilder, Response};

use crate::keys::KEY_HEADER;
use crate::{trial_deposits, trial_fetches};

/// The error type of the programs.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The size of the test file, in bytes: more than the store buffers in memory, so that it streams.
const PIECE: usize = 100_000;
const PIECES: usize = 50;

/// The client of one program.
#[derive(Debug)]
pub(crate) struct Trial {
    client: Client,
    files: String,
}

impl Trial {
    /// Begins a deposit by Alice.
    pub(crate) fn post(&self, body: impl Into<Body>) -> RequestBuilder {
        let request = self.client.post(&self.files).body(body);
        request.header(KEY_HEADER, ALICE)
    }

    /// Begins a request for a file.
    pub(crate) fn get(&self, method: Method, key: &str, uri: &str) -> RequestBuilder {
        let encoded: String = uri.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let url = format!("{}?uri={encoded}", self.files);
        self.client.request(method, url).header(KEY_HEADER, key)
    }
}

pub(crate) const ALICE: &str = "alices-example-key";
pub(crate) const BOB: &str = "bobs-example-key";

/// Returns the test file.
pub(crate) fn file() -> Vec<u8> {
    (0..PIECES)
        .flat_map(|number| [number as u8; PIECE])
        .collect()
}

/// Tests a program: Alice deposits a file in chunks and reads it back; Bob is refused, the auditor may read it, and a client
/// without a key is refused. A file over the size limit is refused.
///
/// # Errors
///
/// Returns an error that says which check failed.
pub async fn round_trip(address: SocketAddr) -> Result<(), Failure> {
    let trial = Trial {
        client: Client::builder().no_proxy().build()?,
        files: format!("http://{address}/files"),
    };
    let pieces = |count: usize| {
        let piece = |number: usize| Ok::<_, Failure>(Bytes::from(vec![number as u8; PIECE]));
        Body::wrap_stream(stream::iter((0..count).map(piece)))
    };
    let stranger = trial.client.post(&trial.files).body(pieces(1));
    let stranger = stranger.header(KEY_HEADER, "nobodys-key").send().await?;
    expect(&stranger, 401)?;
    expect(&trial.post(pieces(200)).send().await?, 413)?;
    let deposited = trial.post(pieces(PIECES)).send().await?;
    expect(&deposited, 201)?;
    let uri = deposited.text().await?;

    let get = |key: &str, uri: &str| trial.get(Method::GET, key, uri).send();
    for key in [ALICE, "the-auditors-example-key"] {
        let fetched = get(key, &uri).await?;
        expect(&fetched, 200)?;
        field(&fetched, "x-content-type-options", "nosniff")?;
        if fetched.bytes().await? != file() {
            return Err("other bytes came back".into());
        }
    }
    expect(&get(BOB, &uri).await?, 403)?;
    expect(&get("nobodys-key", &uri).await?, 401)?;
    expect(&get(ALICE, "eden://artifacts/none").await?, 404)?;
    trial_fetches::check(&trial, &uri).await?;
    trial_deposits::check(&trial).await?;
    println!("{uri}: {} bytes went in and came out", PIECE * PIECES);
    Ok(())
}

pub(crate) fn expect(response: &Response, status: u16) -> Result<(), Failure> {
    let found = response.status().as_u16();
    if found == status {
        return Ok(());
    }
    Err(format!("{} was answered {found}, not {status}", response.url()).into())
}

/// Checks a header field of a response. An empty value stands for a missing field.
pub(crate) fn field(response: &Response, name: &str, value: &str) -> Result<(), Failure> {
    let found = response.headers().get(name);
    let found = found.map_or(Ok(""), |found| found.to_str())?;
    if found == value {
        return Ok(());
    }
    Err(format!("the field {name} is {found:?}, not {value:?}").into())
}
