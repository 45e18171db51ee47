//! What is refused before there is a request: framing, and headers without an end.

use crate::form::{file, form_type};
use crate::raw::Raw;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::Context;

scenarios!("framing":
    what_is_no_http_is_refused ["P-1"],
    ambiguous_framing_is_refused ["P-1"],
    nothing_is_smuggled ["P-1", "C-2"],
    a_header_that_is_too_long_is_refused ["P-1"],
    a_path_that_is_too_long_is_refused ["P-1"],
);

fn skip_if_embedded(site: &Context) -> Outcome {
    if site.subject.embedded {
        return Err(Stop::Skipped(
            "the server around the endpoints is somebody else's: --embedded".to_owned(),
        ));
    }
    Ok(())
}

/// One problem of this status and type, then the end of the connection.
async fn refused(raw: &mut Raw, status: u16, kind: &str) -> Outcome<Reply> {
    let reply = raw.answer().await?;
    reply.problem(status, kind)?;
    raw.closed().await?;
    Ok(reply)
}

async fn what_is_no_http_is_refused(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    for said in [
        "\u{16}\u{3}\u{1}\0\u{5}hello over TLS\r\n\r\n",
        "SSH-2.0-OpenSSH_9.0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    ] {
        let mut raw = site.raw(&format!("{said:?}")).await?;
        raw.say(said).await;
        refused(&mut raw, 400, "bad-request").await?;
    }
    Ok(())
}

async fn ambiguous_framing_is_refused(site: Context) -> Outcome {
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
        raw.say(format!(
            "{lines}Content-Type: {kind}\r\n{fields}\r\n\r\n0\r\n\r\n"
        ))
        .await;
        refused(&mut raw, 400, "bad-request").await?;
    }
    Ok(())
}

async fn nothing_is_smuggled(site: Context) -> Outcome {
    // Whichever of the two lengths a server believes, it must not take the rest for a request.
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
            .raw("POST /artifacts with both lengths, and a GET inside")
            .await?;
        raw.say(format!("{lines}Content-Type: {kind}\r\n{fields}\r\n\r\n"))
            .await;
        raw.say(&chunked).await;
        raw.say(&inner).await;
        let first = raw.answer().await?;
        // RFC 9112, section 6.3: refused, or taken by its chunks and the connection closed after it.
        first.one_of(&[201, 400])?;
        if let Ok(second) = raw.answer().await {
            let seen = format!("{}: {}", second.status, second.text());
            return Err(second.fail("the end of the connection", seen));
        }
    }
    Ok(())
}

async fn a_header_that_is_too_long_is_refused(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    let lines = site.lines("GET", "", &site.admin);
    let mut raw = site.raw("GET with a header of 2 MiB").await?;
    raw.say(lines).await;
    // The greatest limit that can be set is 1 MiB.
    let field = format!("X-Long: {}\r\n", "x".repeat(8 << 10));
    for _ in 0..256 {
        raw.say(&field).await;
    }
    refused(&mut raw, 431, "about:blank").await?;
    Ok(())
}

async fn a_path_that_is_too_long_is_refused(site: Context) -> Outcome {
    skip_if_embedded(&site)?;
    let path = "x".repeat(2 << 20);
    let mut raw = site.raw("GET of a path of 2 MiB").await?;
    raw.say(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n"))
        .await;
    refused(&mut raw, 414, "about:blank").await?;
    Ok(())
}
