//! Measures the multipart parser beside multer, in memory.
//!
//!     cargo run --release --manifest-path bench/Cargo.toml --bin multipart
//!
//! A form with one file of 16 MiB of random bytes arrives in chunks of 64 KiB. The parsers take turns.

#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use artifact_multipart::{Boundary, Event, Parser};
use bytes::Bytes;
use futures_util::stream;

const BOUNDARY: &str = "------------------------d74496d66958873e";
const FILE_BYTES: usize = 16 << 20;
const CHUNK_BYTES: usize = 64 << 10;
const ROUNDS: usize = 15;

fn form() -> Bytes {
    let mut form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    let mut state = 1_u64; // xorshift
    form.extend((0..FILE_BYTES).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    }));
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form.into()
}

fn ours(chunks: &[Bytes]) -> Result<usize> {
    let boundary = Boundary::new(BOUNDARY.as_bytes())?;
    let mut parser = Parser::new(&boundary);
    let mut length = 0;
    for chunk in chunks {
        let mut chunk = chunk.clone();
        while let Some(event) = parser.parse(&mut chunk)? {
            if let Event::Data(data) = event {
                length += data.len();
            }
        }
    }
    parser.finish()?;
    Ok(length)
}

async fn multer(chunks: &[Bytes]) -> Result<usize> {
    let body = stream::iter(chunks.to_vec().into_iter().map(Ok::<_, Infallible>));
    let mut parts = multer::Multipart::new(body, BOUNDARY);
    let mut field = parts.next_field().await?.context("no part")?;
    let mut length = 0;
    while let Some(chunk) = field.chunk().await? {
        length += chunk.len();
    }
    Ok(length)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let form = form();
    let starts = (0..form.len()).step_by(CHUNK_BYTES);
    let chunks: Vec<Bytes> = starts
        .map(|start| form.slice(start..form.len().min(start + CHUNK_BYTES)))
        .collect();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        ensure!(ours(&chunks)? == FILE_BYTES, "our parser lost bytes");
        let ours = began.elapsed();
        let began = Instant::now();
        ensure!(multer(&chunks).await? == FILE_BYTES, "multer lost bytes");
        rounds.push((ours, began.elapsed()));
    }
    let rate = |time: Duration| FILE_BYTES as f64 / time.as_secs_f64() / f64::from(1 << 30);
    rounds.sort_by(|a, b| a.0.cmp(&b.0));
    let (ours, _) = rounds[ROUNDS / 2];
    rounds.sort_by(|a, b| a.1.cmp(&b.1));
    let (_, multer) = rounds[ROUNDS / 2];
    println!(
        "artifact-multipart {:.1} GiB/s, multer {:.1} GiB/s, ratio {:.2} (medians of {ROUNDS} rounds)",
        rate(ours),
        rate(multer),
        multer.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}
