//! Forms and digests of deposits.

use reqwest::Method;

use crate::trial::{ALICE, Failure, Trial, expect, field};

const CONTENT: &str = "hello, content";
const CONTENT_SHA256: &str = "sha-256=:4F76vmY2JMHvhdU/ZCG8nCfncnqv025Lq7XvVdlv/gY=:";
const FORM_SHA256: &str = "sha-256=:HPEyK7scU9qIMsp2Z1Gd7HrU5LrUovk+8eDFZ4j6RHE=:";

/// Returns a form with these header lines of its part.
fn form(lines: &str) -> String {
    format!("--b\r\n{lines}\r\n\r\nhello, form\r\n--b--\r\n")
}

/// Deposits files with digests, and as forms.
pub(crate) async fn check(trial: &Trial) -> Result<(), Failure> {
    let (content, multipart) = ("text/plain", "multipart/form-data; boundary=b");
    let part = "Content-Disposition: form-data; name=\"file\"; filename=\"na\u{ef}ve.txt\"\r\n\
                Content-Type: text/markdown";
    let other = part.replace("file\"", "other\"");
    let claimed = format!("{part}\r\nRepr-Digest: {FORM_SHA256}");
    let denied = format!("{part}\r\nRepr-Digest: {CONTENT_SHA256}");
    // The body, its type, another field of the request, and the status.
    for (body, kind, name, value, status) in [
        (
            CONTENT.to_owned(),
            content,
            "content-digest",
            CONTENT_SHA256,
            201,
        ),
        (
            CONTENT.to_owned(),
            content,
            "content-digest",
            FORM_SHA256,
            400,
        ),
        (
            CONTENT.to_owned(),
            content,
            "repr-digest",
            "sha-256=:##:",
            400,
        ),
        (CONTENT.to_owned(), content, "content-encoding", "gzip", 415),
        (form(part), multipart, "x-other", "1", 201),
        (form(&claimed), multipart, "x-other", "1", 201),
        (form(&denied), multipart, "x-other", "1", 400),
        (form(&other), multipart, "x-other", "1", 400),
        (form(part), "multipart/form-data", "x-other", "1", 400),
        (
            form(part).replace("--b--", "--c--"),
            multipart,
            "x-other",
            "1",
            400,
        ),
    ] {
        let request = trial.post(body).header("content-type", kind);
        let response = request.header(name, value).send().await?;
        expect(&response, status)?;
        if status != 201 {
            continue;
        }
        let uri = response.text().await?;
        let fetched = trial.get(Method::GET, ALICE, &uri).send().await?;
        expect(&fetched, 200)?;
        let is_form = kind == multipart;
        let (digest, recorded, disposition, bytes) = if is_form {
            let names = "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt";
            (FORM_SHA256, "text/markdown", names, "hello, form")
        } else {
            (CONTENT_SHA256, content, "attachment", CONTENT)
        };
        field(&fetched, "repr-digest", digest)?;
        field(&fetched, "content-type", recorded)?;
        field(&fetched, "content-disposition", disposition)?;
        if fetched.text().await? != bytes {
            return Err("the file of a form differs".into());
        }
    }
    Ok(())
}
