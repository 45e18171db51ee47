//! `artifact receipt verify`.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use artifact_receipt::{ReceiptFile, VerifiedReceipt, VerifierKey};
use serde_json::{Value, json};

use super::command::VerifyReceiptArguments;
use crate::failure::setup_from;
use crate::output::printable;
use crate::{files, output};

pub(super) async fn run(arguments: VerifyReceiptArguments) -> Result<()> {
    let keys = read_keys(&arguments.keys)?;
    let shown = arguments.receipt.display();
    let text = read_receipt(&arguments.receipt)
        .map_err(|error| setup_from(error, format!("cannot read the receipt {shown}")))?;
    let receipt = ReceiptFile::parse(&text).context("this is not a receipt")?;
    let verified = receipt.verify(&keys).context("the receipt is not good")?;
    if !receipt.has_proof() && !arguments.without_proof {
        return Err(anyhow!(
            "the signature is good, but the receipt has no proof that the log has it; get one with artifact receipt get URI, or give \
             --without-proof"
        ));
    }
    if let Some(path) = &arguments.artifact {
        check_file(path, &verified).await?;
    }
    if arguments.json.json {
        output::data(as_json(&verified, arguments.artifact.is_some()))
    } else {
        output::data(as_text(&verified, arguments.artifact.as_deref()))
    }
}

/// Returns the keys that are given by themselves or in files.
fn read_keys(given: &[String]) -> Result<Vec<VerifierKey>> {
    let mut keys = Vec::new();
    for text in given {
        let error = match text.parse() {
            Ok(key) => {
                keys.push(key);
                continue;
            }
            Err(error) => error,
        };
        let path = Path::new(text);
        if !path.is_file() {
            return Err(setup_from(
                error,
                "--key is neither a public key nor a file",
            ));
        }
        let cannot = || format!("cannot read the public keys in {text}");
        let lines = files::read_small(path).map_err(|error| setup_from(error, cannot()))?;
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let key = line.parse();
            keys.push(key.map_err(|error| setup_from(error, cannot()))?);
        }
    }
    Ok(keys)
}

fn read_receipt(path: &Path) -> std::io::Result<String> {
    if path != Path::new("-") {
        return files::read_small(path);
    }
    let mut text = String::new();
    let limit = ReceiptFile::MAX_LEN as u64 + 1;
    std::io::stdin().take(limit).read_to_string(&mut text)?;
    Ok(text)
}

async fn check_file(path: &Path, verified: &VerifiedReceipt) -> Result<()> {
    let statement = &verified.statement;
    let is_equal = files::is_equal(path, statement.size, &statement.sha256).await;
    let shown = path.display();
    if is_equal.map_err(|error| setup_from(error, format!("cannot read {shown}")))? {
        return Ok(());
    }
    Err(anyhow!(
        "{shown} is not the artifact of the receipt, which has {} bytes and the SHA-256 {}",
        statement.size,
        statement.sha256
    ))
}

/// Returns one property per line.
fn as_text(verified: &VerifiedReceipt, artifact: Option<&Path>) -> String {
    let statement = &verified.statement;
    let mut lines = vec![
        format!("verified eden://artifacts/{}", statement.id),
        format!("size {} bytes", statement.size),
        format!("sha256 {}", statement.sha256),
        format!("experiment {}", printable(&statement.experiment)),
        format!(
            "deposited {} by {}",
            statement.created_at,
            printable(&statement.depositor)
        ),
    ];
    match (&verified.checkpoint, verified.index) {
        (Some(checkpoint), Some(index)) => lines.push(format!(
            "log {}, entry {index} of {}",
            printable(checkpoint.origin.as_str()),
            checkpoint.size
        )),
        _ => lines.push(format!(
            "log {}, without a proof",
            printable(statement.log.as_str())
        )),
    }
    if let Some(path) = artifact {
        lines.push(format!(
            "file {} is the artifact",
            printable(&path.to_string_lossy())
        ));
    }
    lines.join("\n")
}

fn as_json(verified: &VerifiedReceipt, is_compared: bool) -> Value {
    let statement = &verified.statement;
    json!({
        "artifacts_uri": format!("eden://artifacts/{}", statement.id),
        "size_bytes": statement.size,
        "sha256": statement.sha256.to_string(),
        "experiment": statement.experiment,
        "created_by": statement.depositor,
        "created_at": statement.created_at.to_string(),
        "log": statement.log.as_str(),
        "index": verified.index,
        "tree_size": verified.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        "root": verified.checkpoint.as_ref().map(|checkpoint| checkpoint.root.to_string()),
        "file_compared": is_compared,
    })
}
