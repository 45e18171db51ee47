//! A program that uses blobs as the types of tokio, futures, http-body, serde and uuid.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-adaptors

use std::error::Error;
use std::io;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactUri, ByteRange, UploadWriter, UriPrefix,
};
use artifact_backend_mem::MemBackend;
use futures_util::TryStreamExt;
use http_body::Body;
use http_body_util::BodyExt;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

/// A message of the program.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Stored {
    id: ArtifactId,
    uri: ArtifactUri,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = MemBackend::default();
    let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let id = ArtifactId::from(uuid);
    write(&backend, id).await?;

    let mut text = String::new();
    let download = backend.download(id, (..6).into()).await?;
    download.into_reader().read_to_string(&mut text).await?;
    expect(text == "twelve", "tokio's AsyncRead")?;

    let download = backend.download(id, ByteRange::from(7..=11)).await?;
    let chunks: Vec<_> = download.try_collect().await?;
    expect(chunks.concat() == b"bytes", "a Stream of futures")?;

    let body = backend.download(id, ByteRange::Full).await?;
    expect(Body::size_hint(&body).exact() == Some(12), "an exact size")?;
    let collected = BodyExt::collect(body).await?.to_bytes();
    expect(collected == "twelve bytes", "a body of http-body")?;

    let message = Stored {
        id,
        uri: UriPrefix::try_from("blob://example/")?.uri(id),
    };
    let json = serde_json::to_string(&message)?;
    println!("{json}");
    expect(serde_json::from_str::<Stored>(&json)? == message, "serde")?;
    let schema = schema_for!(Stored).to_value();
    expect(
        schema["$defs"]["ArtifactId"]["pattern"] == "^[0-9a-f]{32}$",
        "a schema",
    )?;
    expect(
        Uuid::from(id) == uuid && u128::from(id) == uuid.as_u128(),
        "uuid",
    )?;

    let absent = backend.load(ArtifactId::mint()).await;
    let error = absent
        .map_err(io::Error::from)
        .err()
        .ok_or("nothing is stored there")?;
    expect(error.kind() == io::ErrorKind::NotFound, "io::Error")
}

async fn write(backend: &MemBackend, id: ArtifactId) -> io::Result<()> {
    let mut writer = UploadWriter::new(backend.upload(id).await?);
    tokio::io::copy(&mut &b"twelve bytes"[..], &mut writer).await?;
    writer.shutdown().await
}

fn expect(right: bool, what: &str) -> Result<(), Box<dyn Error>> {
    right
        .then_some(())
        .ok_or_else(|| format!("wrong: {what}").into())
}
