//! `artifact receipt get`.

use std::path::Path;

use anyhow::{Context as _, Result};
use artifact_client::Deposited;

use super::command::GetReceiptArguments;
use crate::connect::{ClientContext, until_interrupted};
use crate::{files, output};

pub(super) async fn run(context: &ClientContext, arguments: GetReceiptArguments) -> Result<()> {
    let GetReceiptArguments { uri, output } = arguments;
    until_interrupted(save(context, &uri, &output)).await
}

/// Fetches the receipt of an artifact, and writes it to a file or to standard output.
async fn save(context: &ClientContext, uri: &str, path: &Path) -> Result<()> {
    let receipt = context.client.receipt(uri).await;
    let receipt = receipt.map_err(|error| context.explain(error))?;
    write(&receipt, path)
}

/// Writes the receipt of a deposit with its proof, or, if the proof cannot be read now, the one that the deposit returned.
pub(crate) async fn save_of_deposit(
    context: &ClientContext,
    deposited: &Deposited,
    path: &Path,
) -> Result<()> {
    let uri = &deposited.uri;
    let Some(signed) = &deposited.receipt else {
        return save(context, uri, path).await;
    };
    // Whatever comes after it, the file has a receipt.
    if path != Path::new("-") {
        replace(path, signed)?;
    }
    match context.client.receipt(uri).await {
        Ok(proven) => write(&proven, path),
        Err(error) => {
            output::note(format_args!(
                "the receipt has no proof yet: {error}; later, `artifact receipt get {uri}` reads one that has"
            ));
            write(signed, path)
        }
    }
}

fn write(receipt: &str, path: &Path) -> Result<()> {
    if path == Path::new("-") {
        return output::raw(receipt);
    }
    replace(path, receipt)?;
    output::note(format_args!("receipt {}", path.display()));
    Ok(())
}

fn replace(path: &Path, receipt: &str) -> Result<()> {
    let shown = path.display();
    files::replace(path, receipt.as_bytes()).with_context(|| format!("cannot write {shown}"))
}
