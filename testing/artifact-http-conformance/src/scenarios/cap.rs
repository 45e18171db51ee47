//! The exact cap on the size of an artifact.

use crate::form::{FILE, file, form_type};
use crate::raw::Raw;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("cap":
    artifacts_up_to_the_cap_are_accepted ["D-5"],
    the_cap_is_exact_for_chunked_bodies ["D-5"],
    too_large_content_lengths_are_rejected_before_the_body ["D-5", "D-6"],
    endless_bodies_are_rejected_while_they_arrive ["D-5"],
);

/// The largest cap, in bytes, that is tested with an artifact of that size.
const MAX_TESTED_CAP: u64 = 128 << 20;

/// Returns the cap, if it is known and small enough to test.
pub(super) fn cap(site: &Context) -> Outcome<usize> {
    let Some(cap) = site.subject.max_artifact_bytes else {
        return Err(Stop::Skipped(
            "needs the server's cap: --max-artifact-bytes".to_owned(),
        ));
    };
    if cap > MAX_TESTED_CAP {
        return Err(Stop::Skipped(format!(
            "the cap of {cap} bytes is above the {MAX_TESTED_CAP} bytes that are tested: start the server with a smaller cap"
        )));
    }
    usize::try_from(cap).map_err(|_| Stop::Skipped("the cap does not fit into memory".to_owned()))
}

async fn artifacts_up_to_the_cap_are_accepted(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let depositor = site.depositor().await?;
    let artifact = site.put(depositor, vec![b'x'; cap]).await?;
    let reply = site.fetch(depositor, &artifact).send().await?;
    reply.status(200)?.content(&artifact.bytes)?;
    for more in [1, 2, 100] {
        let reply = site
            .deposit(depositor, file(&vec![b'x'; cap + more]))
            .send()
            .await?;
        reply.problem(413, "payload-too-large")?;
    }
    Ok(())
}

/// Sends a chunked deposit of `bytes` bytes, without a length.
async fn chunked(site: &Context, raw: &mut Raw, bytes: usize) -> Outcome {
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let body = file(&vec![b'x'; bytes]);
    for chunk in body.chunks(64 << 10) {
        raw.write(format!("{:x}\r\n", chunk.len())).await;
        raw.write(chunk).await;
        raw.write("\r\n").await;
    }
    raw.write("0\r\n\r\n").await;
    Ok(())
}

async fn the_cap_is_exact_for_chunked_bodies(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let mut raw = site.raw("a chunked deposit of exactly the cap").await?;
    chunked(&site, &mut raw, cap).await?;
    raw.response().await?.json(201)?;
    let mut raw = site
        .raw("a chunked deposit of one byte above the cap")
        .await?;
    chunked(&site, &mut raw, cap + 1).await?;
    raw.response().await?.problem(413, "payload-too-large")?;
    Ok(())
}

async fn too_large_content_lengths_are_rejected_before_the_body(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let mut lengths = vec![u64::MAX >> 1];
    if let Some(cap) = site.subject.max_artifact_bytes {
        lengths.push(cap + (16 << 10) + 1);
    }
    for length in lengths {
        let asked = format!("a deposit of Content-Length {length} and no body");
        let mut raw = site.raw(&asked).await?;
        let lines = site.lines("POST", "/artifacts", depositor);
        let kind = form_type();
        raw.write(format!(
            "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
        // No byte of the body was sent, so the response is to the header alone.
        raw.response().await?.problem(413, "payload-too-large")?;
    }
    Ok(())
}

async fn endless_bodies_are_rejected_while_they_arrive(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let mut raw = site.raw("an endless chunked deposit").await?;
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let head = format!("--{}\r\n{FILE}\r\n", crate::form::BOUNDARY);
    raw.write(format!("{:x}\r\n{head}\r\n", head.len())).await;
    let chunk = vec![b'x'; 64 << 10];
    for _ in 0..=cap / chunk.len() {
        raw.write(format!("{:x}\r\n", chunk.len())).await;
        raw.write(&chunk).await;
        raw.write("\r\n").await;
    }
    raw.response().await?.problem(413, "payload-too-large")?;
    Ok(())
}
