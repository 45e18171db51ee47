//! Fetches: the URI parameter, compared exactly.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use super::endpoints::ABSENT_ARTIFACT;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, fetch_path};

scenarios!("fetches":
    the_uri_parameter_must_appear_once ["F-1"],
    other_query_parameters_are_ignored ["F-1"],
    every_character_of_the_uri_may_be_percent_encoded ["F-1"],
    the_uri_is_decoded_once ["F-1", "F-2"],
    missing_artifacts_are_not_found ["F-2"],
    foreign_uris_are_not_found ["F-2"],
    near_misses_of_a_valid_uri_are_not_found ["F-2"],
    fetches_ignore_a_request_body ["J-2", "F-6"],
    concurrent_fetches_return_the_exact_bytes ["F-6"],
);

async fn the_uri_parameter_must_appear_once(site: Context) -> Outcome {
    let uri = &site.artifact().await?.uri;
    let encoded = utf8_percent_encode(uri, NON_ALPHANUMERIC).to_string();
    for query in [
        String::new(),
        "?".to_owned(),
        "?URI=x".to_owned(),
        "?uri2=x".to_owned(),
        format!("?{encoded}"),
        format!("?uri={encoded}&uri={encoded}"),
        format!("?uri={encoded}&uri=x"),
        format!("?uri=x&a=b&uri={encoded}"),
        format!("?uri={encoded}&uri"),
        format!("?u%72i={encoded}&uri={encoded}&uri="),
    ] {
        for method in ["GET", "HEAD"] {
            let call = site.call(method, &format!("/artifacts{query}"));
            let reply = call.by(&site.admin).send().await?;
            reply.problem(400, "bad-request")?;
        }
    }
    Ok(())
}

async fn other_query_parameters_are_ignored(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    for (before, after) in [
        ("a=b&", ""),
        ("", "&a=b&c"),
        ("&&", "&"),
        ("URI=x&", "&uri2=y"),
    ] {
        let path = artifact.path().replacen('?', &format!("?{before}"), 1);
        let call = site.call("GET", &format!("{path}{after}")).by(&site.admin);
        call.send().await?.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}

/// Formats every byte of a text.
fn percent(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect::<Vec<_>>().concat()
}

async fn every_character_of_the_uri_may_be_percent_encoded(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let uri = &artifact.uri;
    let all = percent(uri, |byte| format!("%{byte:02X}"));
    let lower = percent(uri, |byte| format!("%{byte:02x}"));
    for encoded in [
        uri.clone(),
        all,
        lower,
        uri.replace(':', "%3A"),
        uri.replace('/', "%2f"),
    ] {
        let call = site.call("GET", &format!("/artifacts?uri={encoded}"));
        let reply = call.by(&site.admin).send().await?;
        reply.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}

async fn the_uri_is_decoded_once(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let once = utf8_percent_encode(&artifact.uri, NON_ALPHANUMERIC).to_string();
    let twice = utf8_percent_encode(&once, NON_ALPHANUMERIC).to_string();
    let thrice = utf8_percent_encode(&twice, NON_ALPHANUMERIC).to_string();
    let plus = once.replacen("%3A", "+", 1);
    for encoded in [&twice, &thrice, &plus] {
        let call = site.call("GET", &format!("/artifacts?uri={encoded}"));
        let reply = call.by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn missing_artifacts_are_not_found(site: Context) -> Outcome {
    for credential in [&site.admin, site.stranger().await?] {
        for method in ["GET", "HEAD"] {
            let reply = site
                .call(method, &fetch_path(ABSENT_ARTIFACT))
                .by(credential)
                .send()
                .await?;
            reply.problem(404, "not-found")?;
        }
    }
    Ok(())
}

async fn foreign_uris_are_not_found(site: Context) -> Outcome {
    // Each is sent percent-encoded. A server must not decode it a second time and must not open it.
    let written = [
        "%2e%2e%2f",
        "..%2f..%2f",
        "%252e%252e%252f",
        "%23",
        "%00",
        "%0d%0a",
        "%ff%fe",
        "%",
        "%2",
        "%zz",
        "..%c0%af",
        "%e2%80%8f",
    ];
    let long_name = "a".repeat(256);
    let longer = "a".repeat(5000);
    let texts = [
        "",
        ".",
        "..",
        "~",
        "/",
        "//",
        "../x",
        "./../x",
        "a/../b",
        "/x",
        "\\..\\x",
        "/etc/passwd",
        "#/../../etc",
        ";/../..",
        "?/../..",
        "file:",
        "FILE:",
        "file:///etc/passwd",
        "://",
        "s3:/b/p/../../x",
        "http://169.254.169.254/",
        "\0",
        "\r\nX: y",
        "eden:",
        "eden://",
        "eden://artifacts",
        "eden://artifacts/",
        "eden://artifacts/..",
        "eden://artifacts/../../etc/passwd",
        "eden://artifacts/.staging",
        "eden://artifacts/staging",
        "eden://artifacts/format",
        "eden://artifacts/*",
        &long_name,
        &longer,
    ];
    let encoded = texts
        .iter()
        .map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    for value in written.into_iter().map(str::to_owned).chain(encoded) {
        let call = site.call("GET", &format!("/artifacts?uri={value}"));
        let reply = call.by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn near_misses_of_a_valid_uri_are_not_found(site: Context) -> Outcome {
    let uri = &site.artifact().await?.uri;
    let (prefix, id) = uri.split_at(uri.len() - 32);
    let look_alike = |from: char, to: char| uri.replace(from, &to.to_string());
    let mut near = vec![
        format!(" {uri}"),
        format!("{uri} "),
        format!("{uri}\n"),
        format!("{uri}\0"),
        format!("{uri}/"),
        format!("{uri}/."),
        format!("{uri}?"),
        format!("{uri}#"),
        format!("{uri}0"),
        uri[..uri.len() - 1].to_owned(),
        id.to_owned(),
        format!("/{id}"),
        format!("{prefix}./{id}"),
        format!("{prefix}../artifacts/{id}"),
        format!("{prefix}/{id}"),
        uri.replace("eden", "EDEN"),
        uri.replace("eden", "Eden"),
        uri.replace("artifacts", "Artifacts"),
        uri.replace("://", ":/"),
        uri.replace("://", ":\\\\"),
        look_alike('/', '\u{2215}'),
        look_alike('/', '\u{ff0f}'),
        look_alike(':', '\u{ff1a}'),
        format!("\u{202e}{uri}"),
        format!("\u{feff}{uri}"),
        format!("{prefix}{}", "\u{ff10}".repeat(32)),
        format!("{prefix}{}-{}-{}", &id[..8], &id[8..16], &id[16..]),
        format!("{prefix}{{{id}}}"),
        format!("{prefix}0x{id}"),
    ];
    let upper = format!("{prefix}{}", id.to_ascii_uppercase());
    if upper != *uri {
        near.push(upper);
    }
    for value in near {
        let reply = site
            .call("GET", &fetch_path(&value))
            .by(&site.admin)
            .send()
            .await?;
        reply.problem(404, "not-found")?;
    }
    let mut bytes = uri.clone().into_bytes();
    bytes.push(0xff);
    let value = percent_encode(&bytes, NON_ALPHANUMERIC).to_string();
    let reply = site
        .call("GET", &format!("/artifacts?uri={value}"))
        .by(&site.admin)
        .send()
        .await?;
    reply.problem(404, "not-found")?;
    Ok(())
}

async fn fetches_ignore_a_request_body(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site.fetch(&site.admin, artifact).json("{}").send().await?;
    reply.status(200)?.content(&artifact.bytes)?;
    Ok(())
}

async fn concurrent_fetches_return_the_exact_bytes(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    let cap = site.subject.max_artifact_bytes.unwrap_or(u64::MAX);
    let length = usize::try_from(cap.min(700_000)).unwrap_or(700_000);
    let artifact = site.put(depositor, crate::form::noise(length)).await?;
    let calls = (0..16).map(|_| site.fetch(depositor, &artifact).send());
    for reply in futures_util::future::join_all(calls).await {
        reply?.status(200)?.content(&artifact.bytes)?;
    }
    Ok(())
}
