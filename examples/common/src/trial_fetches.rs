//! Conditions and ranges of fetches.

use reqwest::Method;

use crate::trial::{ALICE, BOB, Failure, Trial, expect, field, file};

/// Fetches the test file by conditions and ranges.
pub(crate) async fn check(trial: &Trial, uri: &str) -> Result<(), Failure> {
    let bytes = file();
    let head = trial.get(Method::HEAD, ALICE, uri).send().await?;
    expect(&head, 200)?;
    field(&head, "content-length", "5000000")?;
    field(&head, "accept-ranges", "bytes")?;
    let etag = head.headers().get("etag").ok_or("there is no ETag")?;
    let etag = etag.to_str()?.to_owned();
    let weak = format!("W/{etag}");
    let digest = head.headers().get("repr-digest");
    let digest = digest
        .ok_or("there is no Repr-Digest")?
        .to_str()?
        .to_owned();

    // The fields of the request, the status, Content-Range, and the bytes.
    type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str, &'a [u8]);
    let cases: [Case<'_>; 16] = [
        (&[], 200, "", &bytes),
        (
            &[("range", "bytes=0-9")],
            206,
            "bytes 0-9/5000000",
            &bytes[..10],
        ),
        (
            &[("range", "bytes=99999-100001")],
            206,
            "bytes 99999-100001/5000000",
            &[0, 1, 1],
        ),
        (
            &[("range", "bytes=-2")],
            206,
            "bytes 4999998-4999999/5000000",
            &[49, 49],
        ),
        (
            &[("range", "bytes=4999999-")],
            206,
            "bytes 4999999-4999999/5000000",
            &[49],
        ),
        (&[("range", "bytes=5000000-")], 416, "bytes */5000000", &[]),
        (&[("range", "bytes=0-1,4-5")], 200, "", &bytes),
        (&[("if-none-match", &etag)], 304, "", &[]),
        (
            &[("if-none-match", &weak), ("range", "bytes=0-1")],
            304,
            "",
            &[],
        ),
        (&[("if-none-match", "\"x\"")], 200, "", &bytes),
        (&[("if-match", &etag)], 200, "", &bytes),
        (&[("if-match", &weak)], 412, "", &[]),
        (&[("if-match", "\"x\"")], 412, "", &[]),
        (
            &[("if-range", &etag), ("range", "bytes=0-1")],
            206,
            "bytes 0-1/5000000",
            &[0, 0],
        ),
        (
            &[("if-range", &weak), ("range", "bytes=0-1")],
            200,
            "",
            &bytes,
        ),
        (&[("accept-encoding", "gzip")], 200, "", &bytes),
    ];
    for (fields, status, range, content) in cases {
        let mut request = trial.get(Method::GET, ALICE, uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        expect(&response, status)?;
        field(&response, "content-range", range)?;
        if status < 400 {
            field(&response, "etag", &etag)?;
        }
        if matches!(status, 200 | 206) {
            field(&response, "repr-digest", &digest)?;
            field(&response, "content-length", &content.len().to_string())?;
        }
        let found = response.bytes().await?;
        if matches!(status, 200 | 206 | 304) && found != content {
            return Err(format!("{fields:?}: {} other bytes came back", found.len()).into());
        }
    }

    // A condition does not tell Bob whether the file is one that he knows.
    for name in ["if-none-match", "if-match"] {
        let request = trial.get(Method::GET, BOB, uri).header(name, &etag);
        let response = request.send().await?;
        expect(&response, 403)?;
        field(&response, "etag", "")?;
    }
    Ok(())
}
