//! `artifact retention`.

use anyhow::Result;
use serde_json::json;

use super::RetentionArguments;
use crate::connect::{ClientContext, until_interrupted};
use crate::output;
use crate::settings::Period;

/// Sets the retention if the command line says so, and prints it.
pub(crate) async fn retention(
    context: &ClientContext,
    arguments: RetentionArguments,
) -> Result<()> {
    let client = &context.client;
    let keep = until_interrupted(async {
        let explain = |error| context.explain(error);
        let keep = arguments.set.map(|period| period.0);
        if keep.is_some() || arguments.forever {
            client.set_retention(keep).await.map_err(explain)?;
            return Ok(keep);
        }
        client.retention().await.map_err(explain)
    });
    let keep = keep.await?;
    if arguments.json.json {
        return output::json(&json!({ "keep_seconds": keep.map(|keep| keep.as_secs()) }));
    }
    match keep {
        Some(keep) => output::data(Period(keep)),
        None => output::data("forever"),
    }
}
