//! A client that tests a program as its users would use it.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Client, Response};

use crate::keys::KEY_HEADER;

/// The error type of the programs.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The size of the test file, in bytes: more than the store buffers in memory, so that it streams.
const PIECE: usize = 100_000;
const PIECES: usize = 50;

/// Tests a program: Alice deposits a file in chunks and reads it back; Bob is refused, the auditor may read it, and a client
/// without a key is refused. A file over the size limit is refused.
///
/// # Errors
///
/// Returns an error that says which check failed.
pub async fn round_trip(address: SocketAddr) -> Result<(), Failure> {
    let files = format!("http://{address}/files");
    let client = Client::builder().no_proxy().build()?;
    let pieces = |count: usize| {
        let piece = |number: usize| Ok::<_, Failure>(Bytes::from(vec![number as u8; PIECE]));
        Body::wrap_stream(stream::iter((0..count).map(piece)))
    };
    let post = |key: &str, count| {
        let request = client.post(&files).header(KEY_HEADER, key);
        request.body(pieces(count)).send()
    };

    expect(&post("nobodys-key", 1).await?, 401)?;
    expect(&post("alices-example-key", 200).await?, 413)?;
    let deposited = post("alices-example-key", PIECES).await?;
    expect(&deposited, 201)?;
    let uri = deposited.text().await?;

    let encoded: String = uri.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let get = |key: &str, uri: &str| {
        let request = client.get(format!("{files}?uri={uri}"));
        request.header(KEY_HEADER, key).send()
    };
    for key in ["alices-example-key", "the-auditors-example-key"] {
        let fetched = get(key, &encoded).await?;
        expect(&fetched, 200)?;
        if fetched.headers()["x-content-type-options"] != "nosniff" {
            return Err("a browser may guess what the file is".into());
        }
        let bytes = fetched.bytes().await?;
        let right = (0..PIECES).flat_map(|number| [number as u8; PIECE]);
        if !right.eq(bytes.iter().copied()) {
            return Err(format!("{} other bytes came back", bytes.len()).into());
        }
    }
    expect(&get("bobs-example-key", &encoded).await?, 403)?;
    expect(&get("nobodys-key", &encoded).await?, 401)?;
    expect(
        &get("alices-example-key", "eden%3A%2F%2Fartifacts%2Fnone").await?,
        404,
    )?;
    println!("{uri}: {} bytes went in and came out", PIECE * PIECES);
    Ok(())
}

fn expect(response: &Response, status: u16) -> Result<(), Failure> {
    let found = response.status().as_u16();
    if found == status {
        return Ok(());
    }
    Err(format!("{} was answered {found}, not {status}", response.url()).into())
}
