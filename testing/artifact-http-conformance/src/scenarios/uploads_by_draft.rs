//! Resumable uploads by draft-ietf-httpbis-resumable-upload. A server may leave out the operations under `/v1`.

use futures_util::future::join_all;

use super::management::{get, manage};
use super::uploads::{append, append_cut, begin, number_of_artifacts};
use crate::call::Call;
use crate::check::sha256_field;
use crate::form::noise;
use crate::reply::{PROBLEM, Reply};
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("uploads_by_draft":
    the_limits_are_known_before_the_upload ["U-10"],
    a_file_is_sent_in_pieces ["U-10", "U-11", "U-12"],
    a_whole_file_is_a_deposit ["U-11"],
    a_part_of_a_file_is_no_deposit ["U-11", "M-9"],
    fields_of_both_protocols_are_refused ["U-10"],
    the_upload_is_that_of_tus ["U-10"],
    appends_begin_at_the_offset ["U-12"],
    concurrent_appends_have_one_winner ["U-12"],
    the_content_has_its_type ["U-12"],
    malformed_fields_are_refused ["U-10"],
    a_part_of_a_file_never_completes_it ["U-13"],
    a_whole_file_has_its_declared_length ["U-13"],
    lengths_never_change ["U-13"],
    more_than_the_length_is_refused ["U-13"],
    complete_uploads_take_no_more ["U-12"],
    cancelled_uploads_are_gone ["U-10"],
);

/// Fields that say that the content is a part of a file.
pub(super) const PARTS: &[&[(&str, &str)]] = &[
    &[
        ("upload-draft-interop-version", "3"),
        ("upload-incomplete", "?1"),
    ],
    &[("tus-resumable", "1.0.0"), ("upload-length", "10")],
    &[("tus-resumable", "1.0.0")],
    &[("upload-length", "10")],
    &[("upload-defer-length", "1")],
    &[("upload-offset", "7"), ("upload-complete", "?1")],
    &[("content-range", "bytes 0-2/10")],
    &[("content-range", "bytes 0-2/10"), ("upload-complete", "?1")],
];

const TYPES: &str = "https://iana.org/assignments/http-problem-types";

/// Starts a request of the draft.
async fn call<'s>(site: &'s Site, who: &Credential, method: &str, path: &str) -> Outcome<Call<'s>> {
    let call = manage(site, method, path).await?.by(who);
    Ok(call.with("upload-draft-interop-version", "8"))
}

/// Begins an upload with its first bytes, and returns its path below the experiment.
pub(super) async fn begin_by_draft(
    site: &Site,
    who: &Credential,
    fields: &[(&str, &str)],
    bytes: &[u8],
) -> Outcome<String> {
    let mut begun = call(site, who, "POST", "/artifacts").await?;
    begun = begun.with("upload-complete", "?0").body(bytes.to_vec());
    for (name, value) in fields {
        begun = begun.with(name, value);
    }
    let reply = begun.send().await?;
    let location = reply.status(201)?.field("location")?;
    match location.rsplit_once("/uploads/") {
        Some((_, id)) => Ok(format!("/uploads/{id}")),
        None => Err(reply.fail("the path of an upload", location)),
    }
}

/// Starts an append.
pub(super) async fn append_by_draft<'s>(
    site: &'s Site,
    who: &Credential,
    path: &str,
    offset: impl ToString,
    complete: &str,
    bytes: &[u8],
) -> Outcome<Call<'s>> {
    let call = call(site, who, "PATCH", path).await?;
    let call = call.with("content-type", "application/partial-upload");
    let call = call.with("upload-offset", offset.to_string());
    Ok(call.with("upload-complete", complete).body(bytes.to_vec()))
}

/// Checks the offset of an upload, and whether it is complete.
async fn is_at(site: &Site, who: &Credential, path: &str, at: usize, complete: &str) -> Outcome {
    let reply = call(site, who, "HEAD", path).await?.send().await?;
    reply
        .status(204)?
        .has("upload-offset", &at.to_string())?
        .has("upload-complete", complete)?
        .has("cache-control", "no-store")?
        .field("upload-limit")?;
    Ok(())
}

/// Checks that a request was refused by a type of the draft.
fn refused(reply: &Reply, status: u16, kind: &str) -> Outcome {
    reply
        .status(status)?
        .has("content-type", PROBLEM)?
        .has("upload-complete", "?0")?;
    let problem = reply.parsed()?;
    let expected = format!("{TYPES}#{kind}");
    let holds = problem["type"] == expected.as_str() && problem["status"] == status;
    reply.check(holds, &expected, reply.text())
}

/// Checks that nothing has become an artifact.
async fn nothing_is_stored(site: &Site, who: &Credential) -> Outcome {
    match number_of_artifacts(site, who).await? {
        0 => Ok(()),
        found => Err(Stop::failed("the list", "no artifact", found.to_string())),
    }
}

async fn the_limits_are_known_before_the_upload(site: Context) -> Outcome {
    for path in ["/artifacts", "/uploads"] {
        let options = call(&site, &site.admin, "OPTIONS", path).await?;
        let reply = options.send().await?;
        let limit = reply.status(204)?.field("upload-limit")?;
        if let Some(max) = site.subject.max_artifact_bytes {
            let expected = format!("max-size={max}");
            reply.check(limit == expected, &expected, limit)?;
        }
    }
    Ok(())
}

async fn a_file_is_sent_in_pieces(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let file = noise(100_000);
    let digest = sha256_field(&file);
    let fields = [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"numbers.png\""),
        ("repr-digest", digest.as_str()),
    ];
    let path = begin_by_draft(&site, &worker, &fields, &file[..10]).await?;
    is_at(&site, &worker, &path, 10, "?0").await?;
    let call = append_by_draft(&site, &worker, &path, 10, "?0", &file[10..70_000]).await?;
    let reply = call.chunked().send().await?;
    reply.status(204)?.has("upload-complete", "?0")?;
    is_at(&site, &worker, &path, 70_000, "?0").await?;
    nothing_is_stored(&site, &worker).await?;
    let last = append_by_draft(&site, &worker, &path, 70_000, "?1", &file[70_000..]).await?;
    let reply = last.send().await?;
    let artifact = reply.json(201)?;
    reply.has("upload-complete", "?1")?;
    reply.has("repr-digest", &digest)?;
    let id = reply.text_of(&artifact, "id")?;
    let location = reply.field("location")?;
    let described = format!("/artifacts/{id}");
    reply.check(location.ends_with(&described), &described, location)?;
    for (member, value) in [("file_name", "numbers.png"), ("content_type", "image/png")] {
        reply.check(artifact[member] == value, value, artifact.to_string())?;
    }
    let content = get(&site, &format!("{described}/content"), &worker).await?;
    content.status(200)?.content(&file)?;
    is_at(&site, &worker, &path, 100_000, "?1").await?;
    // The client did not get the response.
    let again = append_by_draft(&site, &worker, &path, 100_000, "?1", b"").await?;
    let again = again.send().await?;
    again.check(again.json(201)? == artifact, "the artifact", again.text())
}

async fn a_whole_file_is_a_deposit(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for (stored, path) in ["/artifacts", "/uploads"].into_iter().enumerate() {
        for chunked in [false, true] {
            let whole = call(&site, &worker, "POST", path).await?;
            let whole = whole.with("upload-complete", "?1").body("hello");
            let whole = whole.with("upload-length", "5");
            let whole = if chunked { whole.chunked() } else { whole };
            let reply = whole.send().await?;
            let artifact = reply.json(201)?;
            reply.has("upload-complete", "?1")?;
            let id = reply.text_of(&artifact, "id")?;
            let content = get(&site, &format!("/artifacts/{id}/content"), &worker).await?;
            content.status(200)?.content(b"hello")?;
            let found = number_of_artifacts(&site, &worker).await?;
            let expected = 2 * stored as u64 + 1 + u64::from(chunked);
            reply.check(found == expected, "one more artifact", found.to_string())?;
        }
    }
    Ok(())
}

async fn a_part_of_a_file_is_no_deposit(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for fields in PARTS {
        for body in ["hel", ""] {
            let mut part = manage(&site, "POST", "/artifacts").await?.by(&worker);
            for (name, value) in *fields {
                part = part.with(name, value);
            }
            part.body(body).send().await?.problem(400, "bad-request")?;
        }
    }
    let begun = manage(&site, "POST", "/artifacts").await?.by(&worker);
    let begun = begun.with("upload-complete", "?0").body("hel");
    let begun = begun.with("content-range", "bytes 0-2/10");
    begun.send().await?.problem(400, "bad-request")?;
    nothing_is_stored(&site, &worker).await
}

async fn fields_of_both_protocols_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 10).await?;
    for (name, value) in [
        ("upload-complete", "?0"),
        ("upload-draft-interop-version", "8"),
    ] {
        for to in ["/artifacts", "/uploads"] {
            let begun = manage(&site, "POST", to).await?.by(&worker);
            let begun = begun.with("tus-resumable", "1.0.0").with(name, value);
            let begun = begun.with("upload-length", "10");
            begun.send().await?.problem(400, "bad-request")?;
        }
        let call = append(&site, &worker, &path, 0, b"hello").await?;
        let call = call.with(name, value);
        call.send().await?.problem(400, "bad-request")?;
        for method in ["GET", "HEAD", "DELETE"] {
            let call = manage(&site, method, &path).await?.by(&worker);
            let call = call.with("tus-resumable", "1.0.0").with(name, value);
            call.send().await?.status(400)?;
        }
    }
    is_at(&site, &worker, &path, 0, "?0").await?;
    nothing_is_stored(&site, &worker).await
}

async fn the_upload_is_that_of_tus(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 10).await?;
    let call = append_by_draft(&site, &worker, &path, 0, "?0", b"hello").await?;
    call.send()
        .await?
        .status(204)?
        .has("tus-resumable", "1.0.0")?;
    let call = append(&site, &worker, &path, 5, b"w").await?;
    call.send()
        .await?
        .status(204)?
        .has("upload-complete", "?0")?;
    let call = append_by_draft(&site, &worker, &path, 6, "?1", b"orld").await?;
    call.send().await?.json(201)?;
    is_at(&site, &worker, &path, 10, "?1").await
}

async fn appends_begin_at_the_offset(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    for wrong in [0, 4, 6, 999_999_999_999_999_u64] {
        for complete in ["?0", "?1"] {
            let call = append_by_draft(&site, &worker, &path, wrong, complete, b"w").await?;
            let reply = call.send().await?;
            refused(&reply, 409, "mismatching-upload-offset")?;
            reply.has("upload-offset", "5")?;
            let problem = reply.parsed()?;
            let members = problem["expected-offset"] == 5 && problem["provided-offset"] == wrong;
            reply.check(members, "both offsets", reply.text())?;
        }
    }
    // None of them has declared a length.
    let call = append_by_draft(&site, &worker, &path, 5, "?1", b" world").await?;
    call.send().await?.json(201)?;
    Ok(())
}

async fn concurrent_appends_have_one_winner(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let file = noise(30_000);
    let path = begin_by_draft(&site, &worker, &[], b"").await?;
    for (from, end, complete) in [(0, 10_000, "?0"), (10_000, 30_000, "?1")] {
        let call = append_by_draft(&site, &worker, &path, from, complete, &file[from..end]).await?;
        let replies = join_all((0..6).map(|_| call.clone().send())).await;
        let replies = replies.into_iter().collect::<Outcome<Vec<Reply>>>()?;
        for reply in &replies {
            reply.one_of(&[204, 201, 409, 400])?;
        }
        let won = replies.iter().filter(|reply| reply.status < 300).count();
        replies[0].check(won == 1, "one winner", format!("{won} winners"))?;
    }
    let reply = get(&site, &path, &worker).await?;
    reply.has("repr-digest", &sha256_field(&file))?;
    let found = number_of_artifacts(&site, &worker).await?;
    reply.check(found == 1, "one artifact", found.to_string())
}

async fn the_content_has_its_type(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    for kind in ["text/plain", "application/offset+octet-stream", ""] {
        let call = append_by_draft(&site, &worker, &path, 5, "?1", b"w").await?;
        let call = call.without("content-type").with("content-type", kind);
        call.send().await?.problem(415, "about:blank")?;
    }
    let call = append_by_draft(&site, &worker, &path, 5, "?1", b"w").await?;
    let call = call.without("content-type");
    call.send().await?.problem(415, "about:blank")?;
    is_at(&site, &worker, &path, 5, "?0").await
}

async fn malformed_fields_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    for (name, value) in [
        ("upload-complete", "1"),
        ("upload-complete", "true"),
        ("upload-complete", ""),
        ("upload-length", "-1"),
        ("upload-length", "1000000000000000"),
        ("upload-length", "18446744073709551622"),
        ("upload-draft-interop-version", "9"),
    ] {
        let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
        let reply = call.without(name).with(name, value).send().await?;
        reply.problem(400, "bad-request")?;
        let begun = manage(&site, "POST", "/artifacts").await?.by(&worker);
        let begun = begun.with("upload-complete", "?0").body("hello");
        let reply = begun.without(name).with(name, value).send().await?;
        reply.problem(400, "bad-request")?;
    }
    for value in ["-5", "", "x"] {
        let call = append_by_draft(&site, &worker, &path, value, "?0", b"w").await?;
        call.send().await?.problem(400, "bad-request")?;
    }
    let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
    let call = call.with("tus-resumable", "1.0.0");
    call.send().await?.problem(400, "bad-request")?;
    let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
    let call = call.without("upload-complete");
    call.send().await?.problem(400, "bad-request")?;
    is_at(&site, &worker, &path, 5, "?0").await?;
    nothing_is_stored(&site, &worker).await
}

async fn a_part_of_a_file_never_completes_it(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let length = ("upload-length", "11");
    // A request that says that it is the end, with fewer bytes than the length.
    for chunked in [false, true] {
        for part in [&b" worl"[..], b"w", b""] {
            let path = begin_by_draft(&site, &worker, &[length], b"hello").await?;
            let call = append_by_draft(&site, &worker, &path, 5, "?1", part).await?;
            let call = if chunked { call.chunked() } else { call };
            let reply = call.send().await?;
            refused(&reply, 400, "inconsistent-upload-length")?;
            let kept = if chunked { 5 + part.len() } else { 5 };
            is_at(&site, &worker, &path, kept, "?0").await?;
        }
    }
    // One that does not arrive to its end.
    for fields in [&[length][..], &[]] {
        let path = begin_by_draft(&site, &worker, fields, b"hello").await?;
        let head =
            "upload-complete: ?1\r\nupload-offset: 5\r\ncontent-type: application/partial-upload";
        append_cut(&site, &worker, &path, head, " w").await?;
        is_at(&site, &worker, &path, 7, "?0").await?;
    }
    nothing_is_stored(&site, &worker).await
}

async fn a_whole_file_has_its_declared_length(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for path in ["/artifacts", "/uploads"] {
        for length in ["0", "4", "6", "999999"] {
            for chunked in [false, true] {
                let whole = call(&site, &worker, "POST", path).await?;
                let whole = whole.with("upload-complete", "?1").body("hello");
                let whole = whole.with("upload-length", length);
                let whole = if chunked { whole.chunked() } else { whole };
                let reply = whole.send().await?;
                reply.status(400)?;
                let problem = reply.parsed()?;
                let expected = format!("{TYPES}#inconsistent-upload-length");
                let holds = problem["type"] == expected.as_str();
                reply.check(holds, &expected, reply.text())?;
            }
        }
    }
    nothing_is_stored(&site, &worker).await
}

async fn lengths_never_change(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[("upload-length", "9")], b"hello").await?;
    for length in ["5", "6", "8", "10"] {
        let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
        let reply = call.with("upload-length", length).send().await?;
        refused(&reply, 400, "inconsistent-upload-length")?;
        is_at(&site, &worker, &path, 5, "?0").await?;
    }
    // By the end of its content, an append declares the length too.
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
    let reply = call.with("upload-length", "4").send().await?;
    refused(&reply, 400, "inconsistent-upload-length")?;
    let call = append_by_draft(&site, &worker, &path, 5, "?0", b"w").await?;
    call.with("upload-length", "7").send().await?.status(204)?;
    let call = append_by_draft(&site, &worker, &path, 6, "?1", b"or").await?;
    refused(&call.send().await?, 400, "inconsistent-upload-length")?;
    if let Some(max) = site.subject.max_artifact_bytes {
        let over = (max + 1).to_string();
        for complete in ["?0", "?1"] {
            let begun = call_for_length(&site, &worker, complete, &over).await?;
            begun.problem(413, "payload-too-large")?;
        }
    }
    is_at(&site, &worker, &path, 6, "?0").await?;
    nothing_is_stored(&site, &worker).await
}

async fn call_for_length(
    site: &Site,
    who: &Credential,
    complete: &str,
    length: &str,
) -> Outcome<Reply> {
    let begun = call(site, who, "POST", "/artifacts").await?;
    let begun = begun.with("upload-complete", complete);
    let begun = begun.with("upload-length", length);
    begun.body("hello").chunked().send().await
}

async fn more_than_the_length_is_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[("upload-length", "8")], b"hello").await?;
    for complete in ["?0", "?1"] {
        let call = append_by_draft(&site, &worker, &path, 5, complete, b" world").await?;
        refused(&call.send().await?, 400, "inconsistent-upload-length")?;
        is_at(&site, &worker, &path, 5, "?0").await?;
    }
    let call = append_by_draft(&site, &worker, &path, 5, "?0", b" world").await?;
    refused(
        &call.chunked().send().await?,
        400,
        "inconsistent-upload-length",
    )?;
    let gone = call_head(&site, &worker, &path).await?;
    gone.status(404)?;
    nothing_is_stored(&site, &worker).await
}

async fn call_head(site: &Site, who: &Credential, path: &str) -> Outcome<Reply> {
    call(site, who, "HEAD", path).await?.send().await
}

async fn complete_uploads_take_no_more(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    let call = append_by_draft(&site, &worker, &path, 5, "?1", b"").await?;
    call.send().await?.json(201)?;
    for chunked in [false, true] {
        for complete in ["?0", "?1"] {
            let call = append_by_draft(&site, &worker, &path, 5, complete, b"w").await?;
            let call = if chunked { call.chunked() } else { call };
            refused(&call.send().await?, 400, "completed-upload")?;
        }
    }
    let call = append_by_draft(&site, &worker, &path, 0, "?1", b"hello").await?;
    refused(&call.send().await?, 409, "mismatching-upload-offset")?;
    is_at(&site, &worker, &path, 5, "?1").await?;
    let reply = get(&site, &path, &worker).await?;
    reply.has("repr-digest", &sha256_field(b"hello"))?;
    let found = number_of_artifacts(&site, &worker).await?;
    reply.check(found == 1, "one artifact", found.to_string())
}

async fn cancelled_uploads_are_gone(site: Context) -> Outcome {
    let (worker, other) = (site.worker().await?, site.worker().await?);
    let path = begin_by_draft(&site, &worker, &[], b"hello").await?;
    for who in [&other, &site.admin] {
        let call = call(&site, who, "DELETE", &path).await?;
        call.send().await?.problem(404, "not-found")?;
        let call = append_by_draft(&site, who, &path, 5, "?1", b"w").await?;
        call.send().await?.problem(404, "not-found")?;
    }
    let cancel = call(&site, &worker, "DELETE", &path).await?;
    cancel.clone().send().await?.status(204)?;
    cancel.send().await?.problem(404, "not-found")?;
    let call = append_by_draft(&site, &worker, &path, 5, "?1", b"w").await?;
    call.send().await?.problem(404, "not-found")?;
    nothing_is_stored(&site, &worker).await
}
