//! The cap on one artifact, to the byte.

use crate::form::{FILE, file, form_type};
use crate::raw::Raw;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("cap":
    so_many_bytes_are_taken_and_one_more_is_not ["D-5"],
    it_is_exact_in_chunks_too ["D-5"],
    a_length_that_cannot_fit_is_refused_unread ["D-5", "D-6"],
    a_body_without_end_is_refused_while_it_comes ["D-5"],
);

/// Above this an artifact of the size of the cap is not tried.
const TRIED: u64 = 128 << 20;

/// The cap, where it is known and small enough to be tried.
fn cap(site: &Context) -> Outcome<usize> {
    let Some(cap) = site.subject.max_artifact_bytes else {
        return Err(Stop::Skipped(
            "needs the cap that the server was started with: --max-artifact-bytes".to_owned(),
        ));
    };
    if cap > TRIED {
        return Err(Stop::Skipped(format!(
            "the cap is {cap} bytes, more than the {TRIED} that are tried: start the server with less"
        )));
    }
    usize::try_from(cap).map_err(|_| Stop::Skipped("the cap does not fit into memory".to_owned()))
}

async fn so_many_bytes_are_taken_and_one_more_is_not(site: Context) -> Outcome {
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

/// Says a deposit of so many bytes in chunks, without a length.
async fn chunked(site: &Context, raw: &mut Raw, bytes: usize) -> Outcome {
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    raw.say(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let body = file(&vec![b'x'; bytes]);
    for piece in body.chunks(64 << 10) {
        raw.say(format!("{:x}\r\n", piece.len())).await;
        raw.say(piece).await;
        raw.say("\r\n").await;
    }
    raw.say("0\r\n\r\n").await;
    Ok(())
}

async fn it_is_exact_in_chunks_too(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let mut raw = site.raw("a deposit of the cap in chunks").await?;
    chunked(&site, &mut raw, cap).await?;
    raw.answer().await?.json(201)?;
    let mut raw = site
        .raw("a deposit of the cap and a byte in chunks")
        .await?;
    chunked(&site, &mut raw, cap + 1).await?;
    raw.answer().await?.problem(413, "payload-too-large")?;
    Ok(())
}

async fn a_length_that_cannot_fit_is_refused_unread(site: Context) -> Outcome {
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
        raw.say(format!(
            "{lines}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
        // No byte of it was sent: this answer is to the header alone.
        raw.answer().await?.problem(413, "payload-too-large")?;
    }
    Ok(())
}

async fn a_body_without_end_is_refused_while_it_comes(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let mut raw = site.raw("a deposit in chunks without an end").await?;
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    raw.say(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let head = format!("--{}\r\n{FILE}\r\n", crate::form::BOUNDARY);
    raw.say(format!("{:x}\r\n{head}\r\n", head.len())).await;
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..=cap / piece.len() {
        raw.say(format!("{:x}\r\n", piece.len())).await;
        raw.say(&piece).await;
        raw.say("\r\n").await;
    }
    raw.answer().await?.problem(413, "payload-too-large")?;
    Ok(())
}
