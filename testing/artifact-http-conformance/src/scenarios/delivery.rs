//! The headers of a fetch, which keep browsers from interpreting the bytes.

use crate::check::{sha256_field, sha256_hex};
use crate::form::{FILE_TYPE, noise};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("delivery":
    fetches_return_the_exact_bytes_and_length ["F-6"],
    fetches_return_the_recorded_content_type ["F-6"],
    every_security_header_is_present ["F-8"],
    artifacts_are_attachments_with_their_file_name ["F-7"],
    file_names_never_contain_a_path ["F-7"],
    file_names_cannot_inject_headers ["F-7"],
    digests_cover_the_whole_artifact ["F-9"],
    head_returns_the_headers_of_get ["F-13", "C-6"],
);

/// The exact header fields that keep a browser from running an artifact.
const PROTECTING: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "private, no-store"),
    ("vary", "Authorization"),
    ("accept-ranges", "bytes"),
];

async fn fetches_return_the_exact_bytes_and_length(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site.fetch(&site.admin, artifact).send().await?;
    reply.status(200)?.content(&artifact.bytes)?;
    reply.has("content-length", &artifact.bytes.len().to_string())?;
    reply.lacks("content-encoding")?;
    // The preferences of a client have no effect.
    let call = site
        .fetch(&site.admin, artifact)
        .with("accept-encoding", "gzip, br");
    let reply = call.with("accept", "text/html").send().await?;
    reply
        .status(200)?
        .content(&artifact.bytes)?
        .lacks("content-encoding")?;
    Ok(())
}

async fn fetches_return_the_recorded_content_type(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site.fetch(&site.admin, artifact).send().await?;
    reply.status(200)?.has("content-type", FILE_TYPE)?;
    let depositor = site.depositor().await?;
    for kind in [
        "text/html",
        "image/svg+xml",
        "text/plain",
        "application/json",
        "x",
    ] {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: {kind}\r\n"
        );
        let artifact = site
            .put_part(depositor, &head, b"<script>".to_vec())
            .await?;
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.has("content-type", kind)?;
    }
    Ok(())
}

async fn every_security_header_is_present(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let whole = site.fetch(&site.admin, artifact).send().await?;
    whole.status(200)?;
    let call = site.fetch(&site.admin, artifact).with("range", "bytes=1-2");
    let part = call.send().await?;
    part.status(206)?;
    let head = site
        .call("HEAD", &artifact.path())
        .by(&site.admin)
        .send()
        .await?;
    head.status(200)?;
    for reply in [whole, part, head] {
        for (name, value) in PROTECTING {
            reply.has(name, value)?;
        }
        reply.lacks("access-control-allow-origin")?;
    }
    Ok(())
}

async fn disposition(site: &Context, names: &str) -> Outcome<String> {
    let depositor = site.depositor().await?;
    let head = format!("Content-Disposition: form-data; name=\"file\"; {names}\r\n");
    let artifact = site.put_part(depositor, &head, b"x".to_vec()).await?;
    let reply = site.fetch(depositor, &artifact).send().await?;
    reply.status(200)?.content(b"x")?;
    let value = reply.field("content-disposition")?.to_owned();
    let expected = "Content-Disposition: attachment";
    let first = value.split(';').next().unwrap_or_default();
    reply.check(first == "attachment", expected, &*value)?;
    Ok(value)
}

async fn artifacts_are_attachments_with_their_file_name(site: Context) -> Outcome {
    for (given, expected) in [
        (
            "filename=\"report.pdf\"",
            "attachment; filename=\"report.pdf\"",
        ),
        (
            "filename=\"two words.txt\"",
            "attachment; filename=\"two words.txt\"",
        ),
    ] {
        let value = disposition(&site, given).await?;
        let reply = site.call("GET", "").by(&site.admin).send().await?;
        reply.check(value == expected, expected, value.as_str())?;
    }
    // RFC 8187: the exact name for non-ASCII characters, and an ASCII fallback for old clients.
    let value = disposition(&site, "filename=\"na\u{ef}ve \u{65e5}.txt\"").await?;
    let extended = "filename*=UTF-8''na%C3%AFve%20%E6%97%A5.txt";
    let reply = site.call("GET", "").by(&site.admin).send().await?;
    let both = value.contains(extended) && value.contains("filename=\"");
    reply.check(both, extended, value.as_str())
}

async fn file_names_never_contain_a_path(site: Context) -> Outcome {
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b/c.txt",
        "..\\\\..\\\\boot.ini",
        "C:\\\\x\\\\y.txt",
        "..",
        ".",
        "/",
        "",
    ] {
        let value = disposition(&site, &format!("filename=\"{name}\"")).await?;
        let reply = site.call("GET", "").by(&site.admin).send().await?;
        let names = value.strip_prefix("attachment").unwrap_or_default();
        let lower = names.to_ascii_lowercase();
        // In `filename*`, the prefix `UTF-8''` is not part of the name.
        let path = names.contains('/')
            || lower.contains("%2f")
            || names.contains('\\')
            || lower.contains("%5c");
        let dots = names.contains("filename=\"..\"") || names.contains("filename=\".\"");
        reply.check(!path && !dots, "a name without a path", value.as_str())?;
    }
    Ok(())
}

async fn file_names_cannot_inject_headers(site: Context) -> Outcome {
    for name in [
        "a%0d%0aX-Injected: 1",
        "a\\\"; filename=\\\"b",
        "a\u{202e}gpj.exe",
        "a\u{85}b",
        "a\u{7f}b",
        "a\tb",
    ] {
        let depositor = site.depositor().await?;
        let head =
            format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n");
        let reply = site
            .deposit(depositor, crate::form::form(&[(&head, b"x")]))
            .send()
            .await?;
        // The server may reject a form with control characters. If it accepts one, the response must be safe.
        if reply.one_of(&[201, 400])?.status == 400 {
            reply.problem(400, "bad-request")?;
            continue;
        }
        let answer = reply.json(201)?;
        let artifact = crate::site::Artifact {
            uri: reply.text_of(&answer, "artifacts_uri")?.to_owned(),
            bytes: b"x".to_vec(),
        };
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply.status(200)?.content(b"x")?.lacks("x-injected")?;
        let value = reply.field("content-disposition")?;
        let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        reply.check(plain, "a header field of visible ASCII", value)?;
        let quotes = value.matches('"').count();
        reply.check(quotes <= 2, "one quoted name", value)?;
    }
    Ok(())
}

async fn digests_cover_the_whole_artifact(site: Context) -> Outcome {
    let depositor = site.depositor().await?;
    for size in [0, 1, 1000, 200_000] {
        let artifact = site.put(depositor, noise(size)).await?;
        let etag = format!("\"{}\"", sha256_hex(&artifact.bytes));
        let digest = sha256_field(&artifact.bytes);
        let reply = site.fetch(depositor, &artifact).send().await?;
        reply
            .status(200)?
            .has("etag", &etag)?
            .has("repr-digest", &digest)?;
        if size > 10 {
            let call = site.fetch(depositor, &artifact).with("range", "bytes=3-7");
            let reply = call.send().await?;
            reply
                .status(206)?
                .has("etag", &etag)?
                .has("repr-digest", &digest)?;
        }
    }
    Ok(())
}

async fn head_returns_the_headers_of_get(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let get = site.fetch(&site.admin, artifact).send().await?;
    let head = site
        .call("HEAD", &artifact.path())
        .by(&site.admin)
        .send()
        .await?;
    head.status(200)?;
    head.check(head.body.is_empty(), "no content", head.text())?;
    for name in [
        "content-type",
        "content-length",
        "content-disposition",
        "etag",
        "repr-digest",
    ] {
        head.has(name, get.field(name)?)?;
    }
    // RFC 9110, section 14.2: ranges apply only to GET.
    for range in ["bytes=0-0", "bytes=99999-"] {
        let call = site.call("HEAD", &artifact.path()).by(&site.admin);
        let reply = call.with("range", range).send().await?;
        reply
            .status(200)?
            .has("content-length", get.field("content-length")?)?;
        reply.lacks("content-range")?;
    }
    Ok(())
}
