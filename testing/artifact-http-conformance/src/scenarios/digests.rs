//! Digests that the client sends with a deposit.

use crate::check::{sha256_field, sha512_field};
use crate::form::{FILE, file, form, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("digests":
    matching_body_digests_are_accepted ["D-12"],
    wrong_body_digests_are_a_bad_request ["D-12"],
    part_digests_are_verified ["D-12"],
    unknown_digest_algorithms_are_ignored ["D-12"],
    malformed_digests_are_a_bad_request ["D-12"],
    deposits_return_the_digest_of_the_stored_bytes ["D-7"],
);

const NAMES: [&str; 2] = ["content-digest", "repr-digest"];

async fn matching_body_digests_are_accepted(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [10, 200_000] {
        let body = file(&noise(size));
        let both = format!("{}, {}", sha256_field(&body), sha512_field(&body));
        for name in NAMES {
            for value in [sha256_field(&body), sha512_field(&body), both.clone()] {
                let call = site.deposit(depositor, body.clone()).with(name, value);
                call.send().await?.json(201)?;
            }
        }
    }
    Ok(())
}

async fn wrong_body_digests_are_a_bad_request(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [10, 200_000] {
        let bytes = noise(size);
        let body = file(&bytes);
        for name in NAMES {
            for value in [
                sha256_field(b"another"),
                sha512_field(b"another"),
                // The digest of the part instead of the whole body.
                sha256_field(&bytes),
                format!("{}, {}", sha256_field(&body), sha512_field(b"another")),
            ] {
                let call = site.deposit(depositor, body.clone()).with(name, value);
                call.send().await?.problem(400, "bad-request")?;
            }
        }
    }
    Ok(())
}

async fn part_digests_are_verified(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [10, 200_000] {
        let bytes = noise(size);
        for name in ["Content-Digest", "Repr-Digest"] {
            for (value, right) in [
                (sha256_field(&bytes), true),
                (sha512_field(&bytes), true),
                (sha256_field(b"another"), false),
                (sha512_field(b"another"), false),
            ] {
                let head = format!("{FILE}{name}: {value}\r\n");
                let reply = site
                    .deposit(depositor, form(&[(&head, &bytes)]))
                    .send()
                    .await?;
                if right {
                    reply.json(201)?;
                } else {
                    reply.problem(400, "bad-request")?;
                }
            }
        }
    }
    Ok(())
}

async fn unknown_digest_algorithms_are_ignored(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for value in [
        "md5=:AAAA:",
        "x=:eA==:",
        "unixsum=:AAA=:",
        "sha=:AAAA:, crc32c=:AAAA:",
    ] {
        for name in NAMES {
            let call = site.deposit(depositor, file(b"x")).with(name, value);
            call.send().await?.json(201)?;
        }
    }
    Ok(())
}

async fn malformed_digests_are_a_bad_request(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for value in [
        "x",
        "sha-256=x",
        "sha-256=:!!:",
        "sha-256=:",
        "sha-256",
        "=:AAAA:",
        "sha-256=\"x\"",
        "sha-256=:AAAA:,",
    ] {
        for name in NAMES {
            let call = site.deposit(depositor, file(b"x")).with(name, value);
            call.send().await?.problem(400, "bad-request")?;
        }
    }
    // Digests of the wrong length.
    let call = site
        .deposit(depositor, file(b"x"))
        .with("content-digest", "sha-256=:AAAA:");
    call.send().await?.problem(400, "bad-request")?;
    Ok(())
}

async fn deposits_return_the_digest_of_the_stored_bytes(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [0, 10, 200_000] {
        let bytes = noise(size);
        let reply = site.deposit(depositor, file(&bytes)).send().await?;
        reply.json(201)?;
        reply.has("repr-digest", &sha256_field(&bytes))?;
    }
    Ok(())
}
