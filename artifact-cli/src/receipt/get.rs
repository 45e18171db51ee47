//! `artifact receipt get`.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::command::GetReceiptArguments;
use crate::connect::{ClientContext, until_interrupted};
use crate::{files, output};

pub(super) async fn run(context: &ClientContext, arguments: GetReceiptArguments) -> Result<()> {
    let GetReceiptArguments { uri, output } = arguments;
    until_interrupted(save(context, &uri, &output)).await
}

/// Fetches the receipt of an artifact, and writes it to a file or to standard output.
pub(crate) async fn save(context: &ClientContext, uri: &str, path: &Path) -> Result<()> {
    let receipt = context.client.receipt(uri).await;
    let receipt = receipt.map_err(|error| context.explain(error))?;
    if path == Path::new("-") {
        return output::raw(&receipt);
    }
    let shown = path.display();
    files::replace(path, receipt.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    output::note(format_args!("receipt {shown}"));
    Ok(())
}
