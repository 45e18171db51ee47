//! `GET /log/checkpoint` and `GET /log/tile/...`: the log of receipts for everyone, by c2sp.org/tlog-tiles.
//!
//! They have hashes only. The entries themselves say who deposited what, and are not served.

use artifact_store::ReceiptLog;
use artifact_store::artifact_receipt::TileId;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::{TAG, TEXT};
use crate::config::HttpConfig;
use crate::dispatch::check_get;
use crate::openapi::{Answer, Docs};
use crate::problem::{Problem, ProblemType};
use crate::request_info::RequestInfo;
use crate::response;

pub(crate) const CHECKPOINT: &str = "/log/checkpoint";
/// What follows is the tile, which has slashes.
pub(crate) const TILE: &str = "/log/tile/{F}";
const TILE_PREFIX: &str = "/log/tile/";
const BYTES: &str = "application/octet-stream";
/// Hashes never change, so the path of each tile has one content for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

pub(crate) const CHECKPOINT_DOCS: Docs = Docs {
    tag: TAG,
    summary: "Read the signed checkpoint of the log of receipts",
    clauses: &["R-4"],
    answers: &[
        Answer::empty(200, "A checkpoint by c2sp.org/tlog-checkpoint.")
            .with_content(TEXT, SchemaGenerator::subschema_for::<String>),
    ],
    problems: &[500],
    ..Docs::EMPTY
};

pub(crate) const TILE_DOCS: Docs = Docs {
    tag: TAG,
    summary: "Read a tile of the log of receipts",
    clauses: &["R-5"],
    answers: &[
        Answer::empty(200, "1 to 256 hashes of 32 bytes, by c2sp.org/tlog-tiles.")
            .with_content(BYTES, any_bytes),
    ],
    problems: &[404, 500],
    ..Docs::EMPTY
};

fn any_bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}

/// Returns the templates of the paths that this router has.
pub(crate) fn paths(config: &HttpConfig) -> impl Iterator<Item = &'static str> + use<> {
    let has_log = config.receipts.is_some();
    [CHECKPOINT, TILE].into_iter().filter(move |_| has_log)
}

/// Returns whether a path is below that of the log.
pub(crate) fn is_of_log(path: &str) -> bool {
    path.starts_with("/log/")
}

/// Answers a request for a path of the log.
pub(crate) async fn answer(
    log: &ReceiptLog,
    parts: &Parts,
    info: &mut RequestInfo,
) -> Result<Response, Problem> {
    match parts.uri.path() {
        CHECKPOINT => {
            info.route = CHECKPOINT;
            check_get(&parts.method)?;
            checkpoint(log).await
        }
        path => {
            let path = path.strip_prefix(TILE_PREFIX);
            let path = path.ok_or_else(Problem::no_such_path)?;
            info.route = TILE;
            check_get(&parts.method)?;
            tile(log, path).await
        }
    }
}

async fn checkpoint(log: &ReceiptLog) -> Result<Response, Problem> {
    let note = log.checkpoint().await?.to_string();
    Ok(response::with_body(
        StatusCode::OK,
        TEXT,
        "no-cache",
        note.into(),
    ))
}

async fn tile(log: &ReceiptLog, path: &str) -> Result<Response, Problem> {
    let not_found = || Problem::new(ProblemType::NotFound, "the log has no such tile");
    let tile = TileId::parse(path).ok_or_else(not_found)?;
    let hashes = log.tile(tile).await?.ok_or_else(not_found)?;
    Ok(response::with_body(
        StatusCode::OK,
        BYTES,
        IMMUTABLE,
        hashes.into(),
    ))
}
