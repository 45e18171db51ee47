//! Resumable uploads by tus 1.0. A server may leave out the operations under `/v1`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use super::management::{get, manage};
use crate::call::Call;
use crate::check::sha256_field;
use crate::form::noise;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("uploads":
    the_server_lists_its_extensions ["U-1"],
    other_versions_of_tus_are_refused ["U-1"],
    an_upload_becomes_an_artifact_with_its_last_byte ["U-2", "U-5", "U-6"],
    malformed_metadata_is_refused ["U-2"],
    uploads_exist_for_their_creator_only ["U-3"],
    lengths_are_exact_and_never_change ["U-4"],
    appends_begin_at_the_offset ["U-5"],
    concurrent_appends_have_one_winner ["U-5"],
    empty_files_are_complete_at_once ["U-6"],
    a_wrong_digest_ends_the_upload ["U-6"],
    ended_uploads_are_gone ["U-8"],
);

/// Starts a request that begins an upload.
pub(super) async fn creation<'s>(site: &'s Site, who: &Credential) -> Outcome<Call<'s>> {
    let call = manage(site, "POST", "/uploads").await?.by(who);
    Ok(call.with("tus-resumable", "1.0.0"))
}

/// Begins an upload, and returns its path below the experiment.
pub(super) async fn begin(site: &Site, who: &Credential, length: usize) -> Outcome<String> {
    let call = creation(site, who).await?;
    let reply = call
        .with("upload-length", length.to_string())
        .send()
        .await?;
    path_of(&reply)
}

pub(super) fn path_of(reply: &Reply) -> Outcome<String> {
    let location = reply.status(201)?.field("location")?;
    match location.rsplit_once('/') {
        Some((_, id)) => Ok(format!("/uploads/{id}")),
        None => Err(reply.fail("the path of an upload", location)),
    }
}

/// Starts an append.
pub(super) async fn append<'s>(
    site: &'s Site,
    who: &Credential,
    path: &str,
    offset: impl ToString,
    bytes: &[u8],
) -> Outcome<Call<'s>> {
    let call = manage(site, "PATCH", path).await?.by(who);
    let call = call.with("tus-resumable", "1.0.0");
    let call = call.with("content-type", "application/offset+octet-stream");
    let call = call.with("upload-offset", offset.to_string());
    Ok(call.body(bytes.to_vec()))
}

pub(super) async fn offset(site: &Site, who: &Credential, path: &str) -> Outcome<u64> {
    let reply = manage(site, "HEAD", path).await?.by(who).send().await?;
    let text = reply.status(200)?.field("upload-offset")?;
    text.parse().map_err(|_| reply.fail("a number", text))
}

/// Sends an append whose content breaks after these bytes: what follows them is no chunk. `fields` are lines of the header.
pub(super) async fn append_cut(
    site: &Site,
    who: &Credential,
    path: &str,
    fields: &str,
    bytes: &str,
) -> Outcome<Reply> {
    let prefix = &site.subject.prefix;
    let path = format!("{prefix}/v1/experiments/{}{path}", site.subject.experiment);
    let mut raw = site.raw("an append whose content breaks").await?;
    let host = site.subject.authority();
    let credential = who.bearer();
    raw.write(format!(
        "PATCH {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {credential}\r\n{fields}\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{bytes}\r\nno chunk\r\n",
        bytes.len(),
    ))
    .await;
    let reply = raw.response().await?;
    reply.status(400)?;
    Ok(reply)
}

pub(super) async fn number_of_artifacts(site: &Site, who: &Credential) -> Outcome<u64> {
    let reply = get(site, "/usage", who).await?;
    let usage = reply.json(200)?;
    usage["artifacts"]
        .as_u64()
        .ok_or_else(|| reply.fail("a number", reply.text()))
}

async fn the_server_lists_its_extensions(site: Context) -> Outcome {
    let call = manage(&site, "OPTIONS", "/uploads").await?.by(&site.admin);
    let reply = call.send().await?;
    reply.status(204)?.has("tus-version", "1.0.0")?;
    let listed = reply.field("tus-extension")?;
    for extension in [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "checksum",
        "termination",
        "expiration",
    ] {
        let has = listed.split(',').any(|found| found == extension);
        reply.check(has, extension, listed)?;
    }
    if let Some(max) = site.subject.max_artifact_bytes {
        reply.has("tus-max-size", &max.to_string())?;
    }
    Ok(())
}

async fn other_versions_of_tus_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 5).await?;
    let calls = [
        creation(&site, &worker).await?.with("upload-length", "5"),
        append(&site, &worker, &path, 0, b"hello").await?,
    ];
    for call in calls {
        let without = call.clone().without("tus-resumable");
        for call in [
            without.clone(),
            without.with("tus-resumable", "0.2.2"),
            call.with("tus-resumable", "1.0.0"),
        ] {
            let reply = call.send().await?;
            reply.status(412)?.has("tus-version", "1.0.0")?;
        }
    }
    let call = manage(&site, "HEAD", &path).await?.by(&worker);
    let reply = call.with("tus-resumable", "2.0.0").send().await?;
    reply.status(412)?;
    let found = offset(&site, &worker, &path).await?;
    reply.check(found == 0, "no byte", found.to_string())
}

async fn an_upload_becomes_an_artifact_with_its_last_byte(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let file = noise(100_000);
    let name = STANDARD.encode("numbers.bin");
    let kind = STANDARD.encode("image/png");
    let call = creation(&site, &worker).await?;
    let call = call
        .with("upload-length", "100000")
        .with("repr-digest", sha256_field(&file))
        .with(
            "upload-metadata",
            format!("filename {name},filetype {kind},x"),
        );
    let reply = call.send().await?;
    let path = path_of(&reply)?;
    reply.has("tus-resumable", "1.0.0")?;
    let mut sent = 0;
    for end in [1, 70_000, 100_000] {
        let before = number_of_artifacts(&site, &worker).await?;
        reply.check(
            before == 0,
            "no artifact before the last byte",
            before.to_string(),
        )?;
        let call = append(&site, &worker, &path, sent, &file[sent..end]).await?;
        let reply = call.send().await?;
        let reply = reply.status(204)?.has("upload-offset", &end.to_string())?;
        sent = end;
        let found = offset(&site, &worker, &path).await?;
        reply.check(found == end as u64, "the new offset", found.to_string())?;
        if end == file.len() {
            reply.has("repr-digest", &sha256_field(&file))?;
            reply.field("artifact-location")?;
        }
    }
    for _ in 0..2 {
        let reply = get(&site, &path, &worker).await?;
        let upload = reply.json(200)?;
        reply.members(
            &upload,
            &["id", "offset", "length", "expires_at", "artifact"],
        )?;
        reply.check(upload["length"] == 100_000, "the length", reply.text())?;
        let id = reply.text_of(&upload["artifact"], "id")?;
        let location = reply.field("artifact-location")?;
        let path = format!("/artifacts/{id}");
        reply.check(location.ends_with(&path), &path, location)?;
        let described = get(&site, &path, &worker).await?.json(200)?;
        for (member, value) in [("file_name", "numbers.bin"), ("content_type", "image/png")] {
            reply.check(described[member] == value, value, described.to_string())?;
        }
        let content = get(&site, &format!("{path}/content"), &worker).await?;
        content.status(200)?.content(&file)?;
    }
    let found = number_of_artifacts(&site, &worker).await?;
    reply.check(found == 1, "one artifact", found.to_string())
}

async fn malformed_metadata_is_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for metadata in [
        "filename ?",
        "filename YQ==,filename YQ==",
        "filetype /w==",
        "filename YQ",
    ] {
        let call = creation(&site, &worker).await?.with("upload-length", "5");
        let reply = call.with("upload-metadata", metadata).send().await?;
        reply.problem(400, "bad-request")?;
    }
    let call = creation(&site, &worker).await?.with("upload-length", "5");
    let reply = call.with("repr-digest", "sha-512=:AA==:").send().await?;
    reply.problem(400, "bad-request")?;
    Ok(())
}

async fn uploads_exist_for_their_creator_only(site: Context) -> Outcome {
    let (worker, other) = (site.worker().await?, site.worker().await?);
    let path = begin(&site, &worker, 5).await?;
    for who in [&other, &site.admin] {
        for method in ["GET", "DELETE"] {
            let call = manage(&site, method, &path).await?.by(who);
            call.send().await?.problem(404, "not-found")?;
        }
        let call = append(&site, who, &path, 0, b"hello").await?;
        call.send().await?.problem(404, "not-found")?;
    }
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    call.send().await?.status(204)?;
    Ok(())
}

async fn lengths_are_exact_and_never_change(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let refused = |reply: Reply| match reply.status {
        413 => reply.problem(413, "payload-too-large").map(drop),
        _ => reply.problem(400, "bad-request").map(drop),
    };
    for length in [
        "-1",
        "",
        "5x",
        "9223372036854775808",
        "18446744073709551621",
    ] {
        let call = creation(&site, &worker).await?;
        refused(call.with("upload-length", length).send().await?)?;
    }
    let call = creation(&site, &worker).await?;
    refused(call.send().await?)?;
    let call = creation(&site, &worker).await?;
    let call = call
        .with("upload-defer-length", "1")
        .with("upload-length", "5");
    refused(call.send().await?)?;
    if let Some(max) = site.subject.max_artifact_bytes {
        let call = creation(&site, &worker).await?;
        let over = call
            .with("upload-length", (max + 1).to_string())
            .send()
            .await?;
        over.problem(413, "payload-too-large")?;
    }

    let call = creation(&site, &worker).await?;
    let path = path_of(&call.with("upload-defer-length", "1").send().await?)?;
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    call.send().await?.status(204)?;
    let declaration = append(&site, &worker, &path, 5, b"").await?;
    for length in ["-1", "4", "9223372036854775808"] {
        refused(
            declaration
                .clone()
                .with("upload-length", length)
                .send()
                .await?,
        )?;
    }
    let declared = declaration
        .clone()
        .with("upload-length", "7")
        .send()
        .await?;
    declared.status(204)?;
    for length in ["5", "6", "8"] {
        refused(
            declaration
                .clone()
                .with("upload-length", length)
                .send()
                .await?,
        )?;
    }
    let call = append(&site, &worker, &path, 5, b"123").await?;
    refused(call.send().await?)?;
    let found = number_of_artifacts(&site, &worker).await?;
    declared.check(found == 0, "no artifact", found.to_string())?;
    let at = offset(&site, &worker, &path).await?;
    let rest = usize::try_from(at).map_or(&b""[..], |at| b"hello12".get(at..).unwrap_or_default());
    let call = append(&site, &worker, &path, at, rest).await?;
    call.send().await?.status(204)?.field("artifact-location")?;
    Ok(())
}

async fn appends_begin_at_the_offset(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 10).await?;
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    call.send().await?.status(204)?;
    for wrong in [0, 4, 6, 10] {
        let call = append(&site, &worker, &path, wrong, b"w").await?;
        let reply = call.send().await?;
        reply
            .problem(409, "offset-mismatch")?
            .has("upload-offset", "5")?;
    }
    for malformed in ["-5", "x", ""] {
        let call = append(&site, &worker, &path, malformed, b"w").await?;
        call.send().await?.problem(400, "bad-request")?;
    }
    let call = append(&site, &worker, &path, 5, b"w").await?;
    let call = call
        .without("content-type")
        .with("content-type", "text/plain");
    let reply = call.send().await?;
    reply.status(415)?;
    let found = offset(&site, &worker, &path).await?;
    reply.check(found == 5, "the five bytes", found.to_string())
}

async fn concurrent_appends_have_one_winner(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let file = noise(30_000);
    let path = begin(&site, &worker, file.len()).await?;
    for (from, end) in [(0, 10_000), (10_000, 30_000)] {
        let call = append(&site, &worker, &path, from, &file[from..end]).await?;
        let replies = join_all((0..6).map(|_| call.clone().send())).await;
        let replies = replies.into_iter().collect::<Outcome<Vec<Reply>>>()?;
        for reply in &replies {
            reply.one_of(&[204, 409])?;
        }
        let won = replies.iter().filter(|reply| reply.status == 204).count();
        replies[0].check(won == 1, "one winner", format!("{won} winners"))?;
    }
    let reply = get(&site, &path, &worker).await?;
    reply.has("repr-digest", &sha256_field(&file))?;
    Ok(())
}

async fn empty_files_are_complete_at_once(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let call = creation(&site, &worker).await?;
    let reply = call.with("upload-length", "0").send().await?;
    path_of(&reply)?;
    reply.field("artifact-location")?;
    reply.has("repr-digest", &sha256_field(b""))?;
    Ok(())
}

async fn a_wrong_digest_ends_the_upload(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let call = creation(&site, &worker).await?;
    let call = call.with("upload-length", "5");
    let reply = call
        .with("repr-digest", sha256_field(b"other"))
        .send()
        .await?;
    let path = path_of(&reply)?;
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    call.send().await?.problem(400, "bad-request")?;
    get(&site, &path, &worker)
        .await?
        .problem(404, "not-found")?;
    let found = number_of_artifacts(&site, &worker).await?;
    reply.check(found == 0, "no artifact", found.to_string())
}

async fn ended_uploads_are_gone(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = begin(&site, &worker, 10).await?;
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    call.send().await?.status(204)?;
    let call = manage(&site, "DELETE", &path).await?.by(&worker);
    call.clone().send().await?.status(204)?;
    get(&site, &path, &worker)
        .await?
        .problem(404, "not-found")?;
    call.send().await?.problem(404, "not-found")?;
    let call = append(&site, &worker, &path, 5, b"world").await?;
    call.send().await?.problem(404, "not-found")?;

    let path = begin(&site, &worker, 5).await?;
    let call = append(&site, &worker, &path, 0, b"hello").await?;
    let reply = call.send().await?;
    let location = reply.status(204)?.field("artifact-location")?;
    let artifact = match location.rsplit_once('/') {
        Some((_, id)) => format!("/artifacts/{id}"),
        None => return Err(Stop::failed("the upload", "a path", location)),
    };
    let call = manage(&site, "DELETE", &path).await?.by(&worker);
    call.send().await?.status(204)?;
    get(&site, &artifact, &worker).await?.json(200)?;
    Ok(())
}
