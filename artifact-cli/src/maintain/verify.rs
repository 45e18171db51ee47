//! `artifact verify`: checks that the halves belong together, and the names, modes and owners of the files. While the
//! blobs are moved, it checks both backends.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
#[cfg(feature = "fs")]
use artifact_store::BackendUrl;
use artifact_store::{Backend, Database};
use serde_json::{Map, Value, json};

use super::audited::CommandLog;
use super::command::VerifyArguments;
use super::lines::Lines;
use super::{check_lasts, check_path_exists, open_halves};
use crate::failure::{chain, ended_with};
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{halves, placement};
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
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    check_lasts(&plan)?;
    check_path_exists(plan.database.path(), "database", plan.sources)?;
    if is_own(&settings.data_dir) {
        audit.open()?;
    }
    let mut lines = Lines::new(arguments.json.json);
    let mut totals = Totals::default();
    #[cfg(feature = "fs")]
    super::verify_files::verify_files(&plan, arguments.repair, &mut lines, &mut totals)?;
    let compared = async {
        let (database, backend) = open(&plan, no_color).await?;
        #[cfg(feature = "fs")]
        if let Some(other) = other_backend(&plan, &database).await? {
            super::verify_files::verify_backend(&other, arguments.repair, &mut lines, &mut totals)?;
        }
        compare(&plan, database, &backend).await
    };
    let compared = compared.await;
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

/// Returns whether this user is the one of the servers. Another user looks at the files only, and leaves none of its own.
fn is_own(data_dir: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    data_dir
        .metadata()
        .map_or(true, |found| found.uid() == user)
}

/// Opens the halves.
async fn open(plan: &StorePlan<'_>, no_color: bool) -> Result<(Database, Backend)> {
    if plan.settings.data_dir.exists() {
        check_data_dir(&plan.settings.data_dir)?;
    }
    open_halves(plan, no_color).await
}

/// Returns why the database and the backends do not belong together, or `None` if they do.
async fn compare(
    plan: &StorePlan<'_>,
    database: Database,
    backend: &Backend,
) -> Result<Option<String>> {
    let mut mismatch = halves::mismatch(plan, &database, backend).await?;
    if mismatch.is_none() {
        // While the blobs are moved, this compares the two backends.
        let followed = placement::follow(plan, &database, backend).await;
        mismatch = followed.err().map(|error| chain(error.as_ref()));
    }
    database.close().await?;
    Ok(mismatch)
}

/// Returns the other backend while the blobs are moved, if it is a folder that exists.
#[cfg(feature = "fs")]
async fn other_backend(plan: &StorePlan<'_>, database: &Database) -> Result<Option<BackendUrl>> {
    let Some(placement) = placement::read(plan, database).await? else {
        return Ok(None);
    };
    let ours = placement::name(&plan.settings.backend);
    let both = [Some(placement.current), placement.previous];
    let other = both.into_iter().flatten().find(|url| *url != ours);
    let other = other.and_then(|url| BackendUrl::parse(&url).ok());
    Ok(other.filter(|url| url.path().is_some_and(Path::exists)))
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
