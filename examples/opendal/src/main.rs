//! A program on opendal that keeps its files in a folder of the artifact store.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-opendal -- ./blobs
//!
//! All but two lines are what the program would be on another service.

use std::env;
use std::error::Error;

use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_opendal::{ArtifactBuilder, new_path};
use opendal::{ErrorKind, Operator};

const REPORT: &str = "exactly as it came";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("give a folder for the blobs")?;
    let backend = FsBackend::open(folder, FsConfig::default()).await?;
    let operator = Operator::new(ArtifactBuilder::new(backend))?;

    let path = new_path();
    operator
        .write_with(&path, REPORT)
        .if_not_exists(true)
        .await?;
    let size = operator.stat(&path).await?.content_length();
    check(size == REPORT.len() as u64, "the size is wrong")?;
    let range = operator.read_with(&path).range(0..7).await?;
    check(range.to_bytes() == "exactly", "the range is wrong")?;

    let parts = new_path();
    let mut writer = operator.writer_with(&parts).if_not_exists(true).await?;
    for part in ["one ", "two ", "three"] {
        writer.write(part).await?;
    }
    writer.close().await?;
    let bytes = operator.read(&parts).await?.to_bytes();
    check(bytes == "one two three", "the parts are wrong")?;
    refusals(&operator, &path).await?;

    let stored = operator.list("/").await?;
    for entry in &stored {
        operator.delete(entry.path()).await?;
    }
    check(stored.len() == 2, "the list does not have two files")
}

/// What cannot be expressed is an error that says what to do.
async fn refusals(operator: &Operator, path: &str) -> Result<(), Box<dyn Error>> {
    let name = operator.write_with("report.csv", REPORT);
    let refused = [
        operator.write(path, "other bytes").await.map(drop),
        operator.copy(path, &new_path()).await.map(drop),
        name.if_not_exists(true).await.map(drop),
    ];
    for result in refused {
        match result {
            Err(error) if error.kind() == ErrorKind::Unsupported => println!("{error}"),
            other => return Err(format!("not refused: {other:?}").into()),
        }
    }
    Ok(())
}

fn check(holds: bool, otherwise: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
