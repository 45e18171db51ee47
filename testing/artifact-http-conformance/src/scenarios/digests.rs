//! Digests that a deposit claims of itself.

use crate::check::{sha256_field, sha512_field};
use crate::form::{FILE, file, form, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("digests":
    a_right_digest_of_the_body_is_taken ["D-12"],
    a_wrong_digest_of_the_body_is_a_bad_request ["D-12"],
    a_digest_of_the_part_is_verified ["D-12"],
    an_unknown_algorithm_is_ignored ["D-12"],
    a_malformed_digest_is_a_bad_request ["D-12"],
);

const NAMES: [&str; 2] = ["content-digest", "repr-digest"];

async fn a_right_digest_of_the_body_is_taken(site: Context) -> Outcome {
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

async fn a_wrong_digest_of_the_body_is_a_bad_request(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [10, 200_000] {
        let bytes = noise(size);
        let body = file(&bytes);
        for name in NAMES {
            for value in [
                sha256_field(b"another"),
                sha512_field(b"another"),
                // Of the part instead of the content.
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

async fn a_digest_of_the_part_is_verified(site: Context) -> Outcome {
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

async fn an_unknown_algorithm_is_ignored(site: Context) -> Outcome {
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

async fn a_malformed_digest_is_a_bad_request(site: Context) -> Outcome {
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
    // Of another length than the algorithm's.
    let call = site
        .deposit(depositor, file(b"x"))
        .with("content-digest", "sha-256=:AAAA:");
    call.send().await?.problem(400, "bad-request")?;
    Ok(())
}
