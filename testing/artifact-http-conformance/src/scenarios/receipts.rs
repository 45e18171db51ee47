//! Receipts, their proofs and the log of them. A server may leave them out.

use artifact_receipt::{
    Checkpoint, ReceiptFile, SignedNote, Statement, TileId, TileSet, TreeHash, VerifiedReceipt,
    VerifierKey, consistency_proof, sha256, verify_consistency,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::management::{get, manage};
use super::uploads::{append, begin};
use crate::form::{FILE, form, noise};
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("receipts":
    deposits_return_a_signed_receipt ["R-1", "R-2"],
    complete_uploads_return_a_signed_receipt ["R-1", "R-2"],
    receipts_are_returned_only_if_wanted ["R-2"],
    receipts_are_proven ["R-1", "R-3"],
    only_those_of_the_read_rule_read_receipts ["R-3"],
    checkpoints_only_grow ["R-4"],
    checkpoints_need_no_credential ["R-4", "C-6"],
    tiles_have_the_hashes_of_the_tree ["R-5"],
    no_other_path_is_a_tile ["R-5"],
);

const TEXT: &str = "text/plain; charset=utf-8";

/// Returns the key of the log. Skips the scenario if the server has no receipts, or if the key is not given.
async fn key_of(site: &Site) -> Outcome<VerifierKey> {
    let skipped = |why: &str| Stop::Skipped(why.to_owned());
    if site.bare("GET", "/log/checkpoint").send().await?.status == 404 {
        return Err(skipped("this server has no receipts, which are optional"));
    }
    let key = site.subject.receipt_key.as_deref();
    let key = key.ok_or_else(|| skipped("needs the public key of the log: --receipt-key"))?;
    key.parse()
        .map_err(|_| skipped("--receipt-key is not a public key"))
}

/// Deposits bytes with a field that asks for a receipt.
async fn deposit(site: &Site, who: &Credential, bytes: &[u8]) -> Outcome<Reply> {
    let call = manage(site, "POST", "/artifacts").await?.by(who);
    let call = call.with("artifact-receipt", "?1").body(bytes.to_vec());
    let reply = call.send().await?;
    reply.status(201)?;
    Ok(reply)
}

fn id_of(reply: &Reply) -> Outcome<String> {
    Ok(reply.text_of(&reply.parsed()?, "id")?.to_owned())
}

/// Returns the receipt in the header of a response.
fn receipt_in(reply: &Reply) -> Outcome<String> {
    let value = reply.field("artifact-receipt")?;
    let text = value
        .strip_prefix(':')
        .and_then(|value| value.strip_suffix(':'))
        .and_then(|value| BASE64_STANDARD.decode(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| reply.fail("a byte sequence with a text", value))
}

fn verify(reply: &Reply, text: &str, key: &VerifierKey) -> Outcome<VerifiedReceipt> {
    let verified = ReceiptFile::parse(text).and_then(|file| file.verify(std::slice::from_ref(key)));
    verified.map_err(|error| reply.fail("a receipt that is good", format!("{error}: {text:?}")))
}

/// Checks that a receipt has the values of an artifact.
fn check(
    site: &Site,
    reply: &Reply,
    said: &Statement,
    id: &str,
    who: &Credential,
    bytes: &[u8],
) -> Outcome {
    let seen = || format!("{said:?}");
    let subject = (
        said.id.to_string(),
        said.experiment.as_str(),
        said.depositor.as_str(),
    );
    let expected = (
        id.to_owned(),
        site.subject.experiment.as_str(),
        who.principal.as_str(),
    );
    reply.check(
        subject == expected,
        &format!("a receipt of {expected:?}"),
        seen(),
    )?;
    let content = (bytes.len() as u64, sha256(bytes));
    let expected = format!("{} bytes with the SHA-256 {}", content.0, content.1);
    reply.check((said.size, said.sha256) == content, &expected, seen())
}

async fn deposits_return_a_signed_receipt(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let worker = site.worker().await?;
    for length in [0, 1, 100_000] {
        let bytes = noise(length);
        let reply = deposit(&site, &worker, &bytes).await?;
        let verified = verify(&reply, &receipt_in(&reply)?, &key)?;
        reply.check(
            verified.index.is_none(),
            "a receipt without a proof",
            "one with a proof",
        )?;
        check(
            &site,
            &reply,
            &verified.statement,
            &id_of(&reply)?,
            &worker,
            &bytes,
        )?;
    }
    // The other ways to deposit.
    let bytes = noise(77);
    let call = site.deposit(&worker, form(&[(FILE, &bytes)]));
    let reply = call.with("artifact-receipt", "?1").send().await?;
    let uri = reply.json(201)?;
    let uri = reply.text_of(&uri, "artifacts_uri")?;
    let id = uri.get(uri.len().saturating_sub(32)..).unwrap_or_default();
    let verified = verify(&reply, &receipt_in(&reply)?, &key)?;
    check(&site, &reply, &verified.statement, id, &worker, &bytes)
}

async fn complete_uploads_return_a_signed_receipt(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let worker = site.worker().await?;
    let bytes = noise(500);
    let path = begin(&site, &worker, bytes.len()).await?;
    let wanted = ("artifact-receipt", "?1");
    let call = append(&site, &worker, &path, 0, &bytes[..200]).await?;
    let reply = call.with(wanted.0, wanted.1).send().await?;
    reply.status(204)?.lacks("artifact-receipt")?;
    let call = append(&site, &worker, &path, 200, &bytes[200..]).await?;
    let completed = call.with(wanted.0, wanted.1).send().await?;
    completed.status(204)?;
    // As if that response had been lost.
    let call = manage(&site, "GET", &path).await?.by(&worker);
    let read = call.with(wanted.0, wanted.1).send().await?;
    read.status(200)?;
    for reply in [completed, read] {
        let location = reply.field("artifact-location")?;
        let id = location.rsplit('/').next().unwrap_or_default();
        let verified = verify(&reply, &receipt_in(&reply)?, &key)?;
        check(&site, &reply, &verified.statement, id, &worker, &bytes)?;
    }
    Ok(())
}

async fn receipts_are_returned_only_if_wanted(site: Context) -> Outcome {
    key_of(&site).await?;
    for value in [None, Some("?0")] {
        let mut call = manage(&site, "POST", "/artifacts").await?.by(&site.admin);
        if let Some(value) = value {
            call = call.with("artifact-receipt", value);
        }
        let reply = call.body(noise(9)).send().await?;
        reply.status(201)?.lacks("artifact-receipt")?;
    }
    for value in ["1", "?2", "true", "", "?1, ?1"] {
        let call = manage(&site, "POST", "/artifacts").await?.by(&site.admin);
        let call = call.with("artifact-receipt", value).body(noise(9));
        call.send().await?.problem(400, "bad-request")?;
    }
    Ok(())
}

async fn receipts_are_proven(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let worker = site.worker().await?;
    for length in [3, 30, 300] {
        let bytes = noise(length);
        let deposited = deposit(&site, &worker, &bytes).await?;
        let id = id_of(&deposited)?;
        let signed = verify(&deposited, &receipt_in(&deposited)?, &key)?;
        let reply = get(&site, &format!("/artifacts/{id}/receipt"), &worker).await?;
        reply.status(200)?.has("content-type", TEXT)?;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let verified = verify(&reply, &text, &key)?;
        reply.check(verified.index.is_some(), "a receipt with a proof", "none")?;
        check(&site, &reply, &verified.statement, &id, &worker, &bytes)?;
        let is_same = verified.statement == signed.statement;
        reply.check(is_same, "the text of the first receipt", text)?;
    }
    Ok(())
}

async fn only_those_of_the_read_rule_read_receipts(site: Context) -> Outcome {
    key_of(&site).await?;
    let worker = site.worker().await?;
    let id = id_of(&deposit(&site, &worker, &noise(5)).await?)?;
    let path = format!("/artifacts/{id}/receipt");
    get(&site, &path, &site.admin).await?.status(200)?;
    let stranger = site.stranger().await?;
    get(&site, &path, stranger)
        .await?
        .problem(403, "forbidden")?;
    let absent = "/artifacts/00000000000000000000000000000000/receipt";
    get(&site, absent, &worker)
        .await?
        .problem(404, "not-found")?;
    let call = manage(&site, "GET", &path).await?;
    call.send().await?.problem(401, "unauthorized")?;
    Ok(())
}

/// Reads and verifies the checkpoint.
async fn checkpoint(site: &Site, key: &VerifierKey) -> Outcome<(Reply, Checkpoint)> {
    let reply = site.bare("GET", "/log/checkpoint").send().await?;
    reply.status(200)?.has("content-type", TEXT)?;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let note = SignedNote::parse(&text)
        .and_then(|note| Checkpoint::verify(&note, std::slice::from_ref(key)));
    let note = note.map_err(|error| reply.fail("a checkpoint", format!("{error}: {text:?}")))?;
    Ok((reply, note))
}

/// Reads tiles.
async fn tiles(site: &Site, named: Vec<TileId>) -> Outcome<TileSet> {
    let mut tiles = TileSet::default();
    for tile in named {
        let reply = site.bare("GET", format!("/log/tile/{tile}")).send().await?;
        reply
            .status(200)?
            .has("content-type", "application/octet-stream")?;
        let length = usize::from(tile.width()) * TreeHash::BYTES;
        let seen = format!("{} bytes", reply.body.len());
        reply.check(reply.body.len() == length, &format!("{length} bytes"), seen)?;
        let (hashes, _) = reply.body.as_chunks();
        let hashes = hashes.iter().map(|hash| TreeHash::from_bytes(*hash));
        tiles.insert(tile, hashes.collect());
    }
    Ok(tiles)
}

async fn checkpoints_only_grow(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let worker = site.worker().await?;
    let (_, mut before) = checkpoint(&site, &key).await?;
    for round in 0..5 {
        for _ in 0..=round {
            let id = id_of(&deposit(&site, &worker, &noise(round)).await?)?;
            // Adds the entry.
            let reply = get(&site, &format!("/artifacts/{id}/receipt"), &worker).await?;
            reply.status(200)?;
        }
        let (reply, after) = checkpoint(&site, &key).await?;
        let expected = format!("more than {} entries", before.size);
        reply.check(after.size > before.size, &expected, after.size.to_string())?;
        let needed = TileSet::needed_for_consistency(before.size, after.size);
        let tiles = tiles(&site, needed).await?;
        let proof = consistency_proof(&tiles, before.size, after.size);
        let shown = proof.and_then(|proof| {
            verify_consistency((before.size, before.root), (after.size, after.root), &proof)
        });
        let seen = format!("{before:?}, then {after:?}");
        reply.check(shown.is_ok(), "two consistent checkpoints", seen)?;
        before = after;
    }
    Ok(())
}

async fn checkpoints_need_no_credential(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let (reply, _) = checkpoint(&site, &key).await?;
    let head = site.bare("HEAD", "/log/checkpoint").send().await?;
    head.status(200)?
        .has("content-length", &reply.body.len().to_string())?;
    let call = site.bare("POST", "/log/checkpoint");
    call.send()
        .await?
        .problem(405, "about:blank")?
        .has("allow", "GET, HEAD")?;
    Ok(())
}

async fn tiles_have_the_hashes_of_the_tree(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let id = id_of(&deposit(&site, &site.admin, &noise(4)).await?)?;
    // Adds the entry.
    let reply = get(&site, &format!("/artifacts/{id}/receipt"), &site.admin).await?;
    reply.status(200)?;
    let (reply, checkpoint) = checkpoint(&site, &key).await?;
    let leaves = checkpoint.size;
    let tiles = tiles(&site, TileSet::needed_for_root(leaves)).await?;
    let root = tiles.root(leaves);
    let seen = format!("{root:?}");
    reply.check(
        root == Ok(checkpoint.root),
        "tiles whose root is that of the checkpoint",
        seen,
    )
}

async fn no_other_path_is_a_tile(site: Context) -> Outcome {
    let key = key_of(&site).await?;
    let (_, checkpoint) = checkpoint(&site, &key).await?;
    let beyond = checkpoint.size / 256 + 1;
    for path in [
        format!("0/{beyond:03}"),
        "0/0".to_owned(),
        "0/000.p/0".to_owned(),
        "0/000.p/256".to_owned(),
        "0/000.p/01".to_owned(),
        "00/000".to_owned(),
        "64/000".to_owned(),
        "0/x000/000".to_owned(),
        "entries/000".to_owned(),
        "entries/000.p/1".to_owned(),
        "0/000/".to_owned(),
        "../checkpoint".to_owned(),
        "0/%30%30%30".to_owned(),
        "0/000%2Ep/1".to_owned(),
    ] {
        let reply = site.bare("GET", format!("/log/tile/{path}")).send().await?;
        reply.problem(404, "not-found")?;
    }
    for path in [
        "/log",
        "/log/",
        "/log/tile",
        "/log/tile/",
        "/log/checkpoint/",
        "/log/key",
    ] {
        site.bare("GET", path)
            .send()
            .await?
            .problem(404, "not-found")?;
    }
    Ok(())
}
