//! `artifact verify`: checks that the halves belong together, and the names, modes and owners of the files.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::lines::Lines;
use super::{check_lasts_and_exists, open_halves};
use crate::cli::VerifyArguments;
use crate::failure::{chain, ended_with};
use crate::serve::halves;
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::settings::{Loaded, ServeSettings};

/// The exit code if something is wrong.
const FOUND: u8 = 1;

/// The numbers of all findings.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) checked: u64,
    pub(super) findings: u64,
    pub(super) repaired: u64,
}

/// Verifies once. The files come first, because wrong modes can prevent the halves from being opened.
pub(crate) async fn verify(
    loaded: &Loaded,
    no_color: bool,
    arguments: VerifyArguments,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    check_lasts_and_exists(&plan)?;
    let mut lines = Lines::new(arguments.json.json);
    let mut totals = Totals::default();
    #[cfg(feature = "fs")]
    super::verify_files::verify_files(&plan, arguments.repair, &mut lines, &mut totals)?;
    let compared = compare(&plan, no_color).await;
    let are_together = match compared {
        Ok(None) => Some(true),
        Ok(Some(sentence)) => {
            totals.findings += 1;
            lines.wrong_halves(&sentence);
            Some(false)
        }
        // What was found may be why.
        Err(error) if totals.findings > totals.repaired => {
            lines.note(&format!("error: {}", chain(error.as_ref())));
            None
        }
        Err(error) => return Err(error),
    };
    lines.finish(
        as_json(&totals, are_together),
        &sentence(&totals, are_together),
    )?;
    if totals.findings == totals.repaired {
        Ok(())
    } else {
        Err(ended_with(FOUND))
    }
}

/// Returns why the database and the backend do not belong together, or `None` if they do.
async fn compare(plan: &StorePlan<'_>, no_color: bool) -> Result<Option<String>> {
    if plan.settings.data_dir.exists() {
        check_data_dir(&plan.settings.data_dir)?;
    }
    let (database, backend) = open_halves(plan, no_color).await?;
    let mismatch = halves::mismatch(plan, &database, &backend).await?;
    database.close().await?;
    Ok(mismatch)
}

fn as_json(totals: &Totals, are_together: Option<bool>) -> Map<String, Value> {
    let totals = json!({
        "checked": totals.checked,
        "findings": totals.findings,
        "repaired": totals.repaired,
        "halves_belong_together": are_together,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(totals: &Totals, are_together: Option<bool>) -> String {
    let Totals {
        checked,
        findings,
        repaired,
    } = totals;
    let mut text = format!("checked {checked} files and folders");
    text.push_str(match are_together {
        Some(true) => "; the database and the blobs belong together",
        Some(false) => "; the database and the blobs do not belong together",
        None => "; the database and the blobs were not compared",
    });
    if *findings > 0 {
        text = format!("{text}; {findings} findings, {repaired} of them repaired");
    }
    text
}
