//! Appends that the server compares with a checksum, in both protocols. A server may leave out the operations under `/v1`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::management::manage;
use super::uploads::{append, append_cut, begin, creation, number_of_artifacts, offset};
use super::uploads_by_draft::{append_by_draft, begin_by_draft};
use crate::check::sha256_field;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("uploads_verified":
    the_server_lists_its_algorithms ["U-9"],
    right_checksums_are_accepted ["U-9"],
    wrong_checksums_keep_nothing ["U-9"],
    unknown_and_malformed_checksums_are_refused ["U-9"],
    interrupted_appends_with_a_checksum_keep_nothing ["U-9"],
    content_digests_are_verified_in_both_protocols ["U-9"],
);

/// printf hello | openssl dgst -sha1 -binary | base64
const SHA1: &str = "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=";
/// The same with -sha256.
const SHA256: &str = "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

async fn the_server_lists_its_algorithms(site: Context) -> Outcome {
    let call = manage(&site, "OPTIONS", "/uploads").await?.by(&site.admin);
    let reply = call.send().await?;
    let listed = reply.status(204)?.field("tus-checksum-algorithm")?;
    for algorithm in ["sha1", "sha256"] {
        let has = listed.split(',').any(|found| found == algorithm);
        reply.check(has, algorithm, listed)?;
    }
    Ok(())
}

async fn right_checksums_are_accepted(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for checksum in [SHA1, SHA256] {
        let path = begin(&site, &worker, 5).await?;
        let call = append(&site, &worker, &path, 0, b"hello").await?;
        let reply = call.with("upload-checksum", checksum).send().await?;
        reply.status(204)?.field("artifact-location")?;
        let call = creation(&site, &worker).await?.with("upload-length", "5");
        let call = call.with("content-type", "application/offset+octet-stream");
        let call = call.with("upload-checksum", checksum).body("hello");
        call.send().await?.status(201)?.field("artifact-location")?;
    }
    Ok(())
}

async fn wrong_checksums_keep_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for checksum in [SHA1, SHA256] {
        let path = begin(&site, &worker, 5).await?;
        for wrong in ["hellp", "hell", "h", ""] {
            let call = append(&site, &worker, &path, 0, wrong.as_bytes()).await?;
            let call = call.with("upload-checksum", checksum);
            let reply = call.send().await?;
            reply.problem(460, "checksum-mismatch")?;
            let found = offset(&site, &worker, &path).await?;
            reply.check(found == 0, "no byte", found.to_string())?;
        }
        let call = creation(&site, &worker).await?.with("upload-length", "5");
        let call = call.with("content-type", "application/offset+octet-stream");
        let call = call.with("upload-checksum", checksum).body("hellp");
        call.send().await?.problem(460, "checksum-mismatch")?;
        let call = append(&site, &worker, &path, 0, b"hello").await?;
        let call = call.with("upload-checksum", checksum);
        call.send().await?.status(204)?;
    }
    match number_of_artifacts(&site, &worker).await? {
        2 => Ok(()),
        found => Err(Stop::failed("the list", "two artifacts", found.to_string())),
    }
}

async fn unknown_and_malformed_checksums_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 5).await?;
    let short = format!("sha256 {}", STANDARD.encode([0; 31]));
    for checksum in [
        "md5 XUFAKrxLKna5cZ2REBfFkg==",
        "SHA1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        "sha1",
        "sha1 x",
        "",
        &short,
    ] {
        let call = append(&site, &worker, &path, 0, b"hello").await?;
        let reply = call.with("upload-checksum", checksum).send().await?;
        reply.problem(400, "bad-request")?;
    }
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    let call = call.with("upload-checksum", SHA1);
    let reply = call.with("upload-checksum", SHA1).send().await?;
    reply.problem(400, "bad-request")?;
    let found = offset(&site, &worker, &path).await?;
    reply.check(found == 0, "no byte", found.to_string())
}

async fn interrupted_appends_with_a_checksum_keep_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 5).await?;
    let fields = format!(
        "tus-resumable: 1.0.0\r\ncontent-type: application/offset+octet-stream\r\nupload-offset: 0\r\n\
         upload-checksum: {SHA1}"
    );
    // All bytes have arrived, but not the end of the content.
    let reply = append_cut(&site, &worker, &path, &fields, "hello").await?;
    let found = offset(&site, &worker, &path).await?;
    reply.check(found == 0, "no byte", found.to_string())
}

async fn content_digests_are_verified_in_both_protocols(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let digest = sha256_field(b"hello");
    let by_tus = begin(&site, &worker, 10).await?;
    let by_draft = begin_by_draft(&site, &worker, &[("upload-length", "10")], b"").await?;
    for wrong in [&b"hellp"[..], b"hell", b""] {
        let call = append(&site, &worker, &by_tus, 0, wrong).await?;
        let reply = call.with("content-digest", &digest).send().await?;
        reply.problem(400, "bad-request")?;
        let call = append_by_draft(&site, &worker, &by_draft, 0, "?0", wrong).await?;
        let reply = call.with("content-digest", &digest).send().await?;
        reply.problem(400, "bad-request")?;
        for path in [&by_tus, &by_draft] {
            let found = offset(&site, &worker, path).await?;
            reply.check(found == 0, "no byte", found.to_string())?;
        }
    }
    let call = append(&site, &worker, &by_tus, 0, b"hello").await?;
    call.with("content-digest", &digest)
        .send()
        .await?
        .status(204)?;
    let call = append_by_draft(&site, &worker, &by_draft, 0, "?0", b"hello").await?;
    call.with("content-digest", &digest)
        .send()
        .await?
        .status(204)?;
    Ok(())
}
