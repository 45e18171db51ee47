//! Valid deposits, and deposits that are rejected before their form is parsed.

use std::collections::BTreeSet;

use crate::form::{BOUNDARY, FILE, FILE_TYPE, file, form, form_type, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("deposits":
    deposits_return_uri_size_and_content_type ["D-7"],
    every_deposit_gets_a_new_id ["D-10"],
    the_depositor_is_the_authenticated_principal ["D-8", "F-4"],
    empty_artifacts_are_accepted ["D-7", "F-6"],
    artifacts_of_every_size_are_returned_unchanged ["D-7", "F-6"],
    content_types_are_sanitised ["D-9", "F-6"],
    content_codings_are_rejected ["D-4"],
    a_content_encoding_in_the_part_has_no_effect ["D-3"],
    chunked_bodies_are_accepted ["D-1", "D-7"],
    continue_is_sent_only_after_the_checks ["D-6", "C-2", "D-4"],
    workers_and_the_admin_may_deposit ["D-1", "D-8"],
);

/// Returns the 32 digits of a URI with the default prefix.
fn digits(uri: &str) -> Option<&str> {
    let digits = uri.strip_prefix("eden://artifacts/")?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 32 && digits.bytes().all(is_digit)).then_some(digits)
}

async fn deposits_return_uri_size_and_content_type(site: Context) -> Outcome {
    let reply = site
        .deposit(site.depositor().await?, file(&noise(12_345)))
        .send()
        .await?;
    let answer = reply.json(201)?;
    reply.members(&answer, &["artifacts_uri", "size_bytes", "content_type"])?;
    let uri = reply.text_of(&answer, "artifacts_uri")?;
    reply.check(
        digits(uri).is_some(),
        "eden://artifacts/ and 32 digits",
        uri,
    )?;
    let bytes = &answer["size_bytes"];
    reply.check(*bytes == 12_345, "size_bytes 12345", bytes.to_string())?;
    let kind = reply.text_of(&answer, "content_type")?;
    reply.check(kind == FILE_TYPE, FILE_TYPE, kind)
}

async fn every_deposit_gets_a_new_id(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let mut ids = BTreeSet::new();
    // Every random bit appears as 0 and as 1 among 64 ids. The chance that a sound server fails this is
    // 1 in 2 to the power of 56.
    let (mut ones, mut zeros) = (0u128, 0u128);
    for _ in 0..64 {
        let artifact = site.put(depositor, b"the same".to_vec()).await?;
        let id = digits(&artifact.uri).and_then(|id| u128::from_str_radix(id, 16).ok());
        ones |= id.unwrap_or_default();
        zeros |= !id.unwrap_or_default();
        ids.insert(artifact.uri);
    }
    let reply = site.call("GET", "").by(&site.admin).send().await?;
    let seen = format!("{} different ones", ids.len());
    reply.check(ids.len() == 64, "64 different URIs for equal bytes", seen)?;
    let seen = format!("bits that never change: {:x}", !(ones & zeros));
    reply.check(ones & zeros == u128::MAX, "ids of 128 random bits", seen)
}

async fn the_depositor_is_the_authenticated_principal(site: Context) -> Outcome {
    let (depositor, stranger) = (site.depositor().await?, site.stranger().await?);
    // Other claims of the client about its identity have no effect.
    let call = site.deposit(depositor, file(b"mine"));
    let call = call
        .with("x-created-by", &stranger.principal)
        .with("from", &stranger.principal);
    let reply = call.send().await?;
    let answer = reply.json(201)?;
    let uri = reply.text_of(&answer, "artifacts_uri")?.to_owned();
    let artifact = crate::site::Artifact {
        uri,
        bytes: b"mine".to_vec(),
    };
    let reply = site.fetch(depositor, &artifact).send().await?;
    reply.status(200)?.content(b"mine")?;
    let reply = site.fetch(stranger, &artifact).send().await?;
    reply.problem(403, "forbidden")?;
    Ok(())
}

async fn empty_artifacts_are_accepted(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let artifact = site.put(depositor, Vec::new()).await?;
    let reply = site.fetch(depositor, &artifact).send().await?;
    reply
        .status(200)?
        .content(b"")?
        .has("content-length", "0")?;
    Ok(())
}

async fn artifacts_of_every_size_are_returned_unchanged(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let cap = site.subject.max_artifact_bytes.unwrap_or(u64::MAX);
    for size in [
        1, 2, 3, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1_500_000,
    ] {
        if size as u64 > cap {
            continue;
        }
        let artifact = site.put(depositor, noise(size)).await?;
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.content(&artifact.bytes)?;
    }
    // Contents that look like the surrounding form.
    for bytes in [
        format!("\r\n--{BOUNDARY}").into_bytes()[..BOUNDARY.len()].to_vec(),
        format!("--{BOUNDARY}x").into_bytes(),
        b"\r\n".to_vec(),
        b"\r\n\r\n--".to_vec(),
        vec![0; 10_000],
        vec![b'\r'; 5000],
    ] {
        let artifact = site.put(depositor, bytes).await?;
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}

async fn content_types_are_sanitised(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let unknown = "application/octet-stream";
    let long = format!("text/{}", "x".repeat(300));
    for (declared, expected) in [
        ("text/html; charset=utf-7", "text/html; charset=utf-7"),
        ("  application/gzip  ", "application/gzip"),
        ("TEXT/Plain", "TEXT/Plain"),
        ("text/pl\u{e4}in", "text/plin"),
        ("\u{65e5}\u{672c}", unknown),
        ("", unknown),
        ("   ", unknown),
        (&long, unknown),
    ] {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: {declared}\r\n"
        );
        let reply = site
            .deposit(depositor, form(&[(&head, b"x")]))
            .send()
            .await?;
        let answer = reply.json(201)?;
        let kind = reply.text_of(&answer, "content_type")?;
        let why = format!("{expected} of {}", declared.escape_debug());
        reply.check(kind == expected, &why, kind)?;
        let artifact = crate::site::Artifact {
            uri: reply.text_of(&answer, "artifacts_uri")?.to_owned(),
            bytes: b"x".to_vec(),
        };
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.has("content-type", expected)?;
    }
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n";
    let artifact = site.put_part(depositor, head, b"x".to_vec()).await?;
    let reply = site.fetch(depositor, &artifact).send().await?;
    reply.status(200)?.has("content-type", unknown)?;
    Ok(())
}

async fn content_codings_are_rejected(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for coding in [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, identity",
        "x",
    ] {
        let call = site
            .deposit(depositor, file(b"x"))
            .with("content-encoding", coding);
        call.send().await?.problem(415, "about:blank")?;
    }
    let call = site.deposit(depositor, file(b"x"));
    let reply = call.with("content-encoding", "identity").send().await?;
    reply.status(201)?;
    Ok(())
}

async fn a_content_encoding_in_the_part_has_no_effect(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let with = |coding: &str| format!("{FILE}Content-Transfer-Encoding: {coding}\r\n");
    for coding in ["base64", "quoted-printable", "BASE64", "x-uuencode"] {
        let reply = site
            .deposit(depositor, form(&[(&with(coding), b"eA==")]))
            .send()
            .await?;
        reply.problem(400, "bad-request")?;
    }
    for coding in ["binary", "8bit", "7bit", "Binary"] {
        let artifact = site
            .put_part(depositor, &with(coding), b"eA==".to_vec())
            .await?;
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.content(b"eA==")?;
    }
    Ok(())
}

async fn chunked_bodies_are_accepted(site: Context) -> Outcome {
    let bytes = noise(40_000);
    let mut raw = site.raw("a deposit in chunks of 1 byte and more").await?;
    let lines = site.lines("POST", "/artifacts", site.depositor().await?);
    let kind = form_type();
    raw.write(format!(
        "{lines}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let body = file(&bytes);
    let (small, large) = body.split_at(600);
    let chunks = small.chunks(1).chain(large.chunks(7001));
    let mut encoded = Vec::new();
    for chunk in chunks {
        encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(b"0\r\n\r\n");
    raw.write(encoded).await;
    let reply = raw.response().await?;
    let answer = reply.json(201)?;
    let artifact = crate::site::Artifact {
        uri: reply.text_of(&answer, "artifacts_uri")?.to_owned(),
        bytes,
    };
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    reply.status(200)?.content(&artifact.bytes)?;
    Ok(())
}

async fn continue_is_sent_only_after_the_checks(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let wrong = crate::site::Credential::new("admin", "wrong-wrong-wrong-wrong");
    let body = file(b"x");
    let length = format!("Content-Length: {}\r\n", body.len());
    let kind = form_type();
    let expect = format!("Content-Type: {kind}\r\nExpect: 100-continue\r\n");
    let table = [
        (&wrong, "", length.clone(), 401),
        (depositor, "/nothing", length.clone(), 404),
        (
            depositor,
            "",
            format!("{length}Content-Encoding: gzip\r\n"),
            415,
        ),
        (
            depositor,
            "",
            "Content-Length: 999999999999999\r\n".to_owned(),
            413,
        ),
    ];
    for (credential, more, fields, status) in table {
        let mut raw = site
            .raw(&format!("a deposit with Expect: 100-continue, {fields:?}"))
            .await?;
        let lines = site.lines("POST", &format!("/artifacts{more}"), credential);
        raw.write(format!("{lines}{expect}{fields}\r\n")).await;
        let reply = raw.response().await?;
        reply.status(status)?;
    }
    let mut raw = site.raw("a deposit with Expect: 100-continue").await?;
    let lines = site.lines("POST", "/artifacts", depositor);
    raw.write(format!("{lines}{expect}{length}\r\n")).await;
    raw.head().await?.status(100)?;
    raw.write(body).await;
    raw.response().await?.json(201)?;
    Ok(())
}

async fn workers_and_the_admin_may_deposit(site: Context) -> Outcome {
    for credential in [site.depositor().await?, &site.admin] {
        let artifact = site.put(credential, b"by principal".to_vec()).await?;
        let reply = site.fetch(credential, &artifact).send().await?;
        reply.status(200)?.content(b"by principal")?;
    }
    Ok(())
}
