//! Malformed requests: ambiguous framing and endless headers.

use crate::form::{file, form_type};
use crate::raw::Raw;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("framing":
    requests_that_are_not_http_are_rejected ["P-1"],
    ambiguous_framing_is_rejected ["P-1"],
    requests_cannot_be_smuggled ["P-1", "C-2"],
    too_long_headers_are_rejected ["P-1"],
    too_long_paths_are_rejected ["P-1"],
);

fn skip_if_embedded(site: &Context) -> Outcome {
    if site.subject.embedded {
        return Err(Stop::Skipped(
            "the endpoints are mounted in another server: --embedded".to_owned(),
        ));
    }
    Ok(())
}

/// Checks that the server sends a problem of this status and type, then closes the connection.
async fn refused(raw: &mut Raw, status: u16, kind: &str) -> Outcome<Reply> {
    let reply = raw.response().await?;
    reply.problem(status, kind)?;
    raw.closed().await?;
    Ok(reply)
}

async fn requests_that_are_not_http_are_rejected(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    for bytes in [
        "\u{16}\u{3}\u{1}\0\u{5}hello over TLS\r\n\r\n",
        "SSH-2.0-OpenSSH_9.0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    ] {
        let mut raw = site.raw(&format!("{bytes:?}")).await?;
        raw.write(bytes).await;
        refused(&mut raw, 400, "bad-request").await?;
    }
    Ok(())
}

async fn ambiguous_framing_is_rejected(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    let lines = site.lines("POST", "/artifacts", &site.admin);
    let kind = form_type();
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
    ] {
        let mut raw = site.raw(&format!("POST /artifacts, {fields:?}")).await?;
        raw.write(format!(
            "{lines}Content-Type: {kind}\r\n{fields}\r\n\r\n0\r\n\r\n"
        ))
        .await;
        refused(&mut raw, 400, "bad-request").await?;
    }
    Ok(())
}

async fn requests_cannot_be_smuggled(site: Context) -> Outcome {
    // Whichever length the server uses, it must not treat the rest as a request.
    let lines = site.lines("POST", "/artifacts", &site.admin);
    let kind = form_type();
    let inner = format!("{}\r\n", site.lines("GET", "", &site.admin));
    let body = file(b"x");
    let mut chunked = format!("{:x}\r\n", body.len()).into_bytes();
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let length = chunked.len() + inner.len();
    for fields in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
    ] {
        let mut raw = site
            .raw("POST /artifacts with Content-Length and chunks, and a GET inside")
            .await?;
        raw.write(format!("{lines}Content-Type: {kind}\r\n{fields}\r\n\r\n"))
            .await;
        raw.write(&chunked).await;
        raw.write(&inner).await;
        let first = raw.response().await?;
        // RFC 9112, section 6.3: the server rejects it, or reads the chunks and then closes the connection.
        first.one_of(&[201, 400])?;
        if let Ok(second) = raw.response().await {
            let seen = format!("{}: {}", second.status, second.text());
            return Err(second.fail("the end of the connection", seen));
        }
    }
    Ok(())
}

async fn too_long_headers_are_rejected(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    let lines = site.lines("GET", "", &site.admin);
    let mut raw = site.raw("GET with a header of 2 MiB").await?;
    raw.write(lines).await;
    // The largest limit that a server can be configured with is 1 MiB.
    let field = format!("X-Long: {}\r\n", "x".repeat(8 << 10));
    for _ in 0..256 {
        raw.write(&field).await;
    }
    refused(&mut raw, 431, "about:blank").await?;
    Ok(())
}

async fn too_long_paths_are_rejected(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    let path = "x".repeat(2 << 20);
    let mut raw = site.raw("GET of a path of 2 MiB").await?;
    raw.write(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n"))
        .await;
    refused(&mut raw, 414, "about:blank").await?;
    Ok(())
}
