//! The two halves of a store.

use anyhow::Result;
use artifact_backend::ErrorKind;
use artifact_store::{Backend, Database, DatabaseReport};

use super::finding::{Finding, Status};
use crate::failure::chain;
use crate::maintain::open_halves;
use crate::serve::plan::StorePlan;
use crate::serve::{bucket, halves, logging, placement};
use crate::settings::BucketProbe;

/// Looks at the database without changing it. Returns what it found if the database can be used.
pub(super) async fn database(
    plan: &StorePlan<'_>,
    findings: &mut Vec<Finding>,
) -> Option<DatabaseReport> {
    const CHECK: &str = "database";
    let name = plan.sources.name("database");
    let report = match plan.database.inspect().await {
        Ok(report) => report,
        Err(error) => {
            findings.push(Finding::new(
                Status::Problem,
                CHECK,
                format!("{name}: {}", chain(&error)),
                "the server does not start with it",
                "check the URL, the user, the password and the network, as the text says",
            ));
            return None;
        }
    };
    let found = match (&report.server, report.round_trip) {
        (Some(server), Some(time)) => format!(
            "{name}: {server}, a query takes {:.2} ms",
            time.as_secs_f64() * 1_000.0
        ),
        _ => format!("{name}: {}", plan.database),
    };
    findings.push(if report.unsafe_settings.is_empty() {
        Finding::ok(
            CHECK,
            found,
            "each deposit waits for a commit, and most requests for a query",
        )
    } else {
        Finding::new(
            Status::Problem,
            CHECK,
            format!("{found}; off: {}", report.unsafe_settings.join(", ")),
            "the server of the database loses acknowledged rows in a crash",
            "turn these settings on in postgresql.conf",
        )
    });
    findings.push(schema(&report));
    Some(report)
}

fn schema(report: &DatabaseReport) -> Finding {
    const CHECK: &str = "schema";
    let (found, needed) = (report.schema, report.needed_schema);
    match found {
        0 => Finding::ok(
            CHECK,
            format!("none yet; this program makes version {needed}"),
            "the first start of a server makes it",
        ),
        _ if found == needed => Finding::ok(
            CHECK,
            format!("version {found}"),
            "it is what this program needs",
        ),
        _ => Finding::new(
            Status::Warning,
            CHECK,
            format!("version {found}, and this program needs {needed}"),
            "this program migrates it at its start; a server of an older version does not start with it then",
            "back up first, and stop the older servers: see docs/operations/upgrade.md",
        ),
    }
}

/// Returns whether the backend is one for a single process, and another process has it open.
fn is_in_use(plan: &StorePlan<'_>, error: &anyhow::Error) -> bool {
    let kind = error
        .downcast_ref::<artifact_backend::Error>()
        .map(artifact_backend::Error::kind);
    plan.settings.backend.scheme() == "pack" && kind == Some(ErrorKind::Unavailable)
}

/// Opens both halves, tests the backend, and compares the two. Needs a database that no migration would change.
pub(super) async fn backend(
    plan: &StorePlan<'_>,
    database: Option<&DatabaseReport>,
    no_color: bool,
    findings: &mut Vec<Finding>,
) {
    const CHECK: &str = "backend";
    let Some(database) = database else {
        findings.push(Finding::new(
            Status::Skipped,
            CHECK,
            "the blobs were not looked at",
            "without the database it is not known which blobs belong to it",
            "repair what is said about the database, then run the doctor again",
        ));
        return;
    };
    if plan.lasts() && database.schema == 0 && can_have_blobs(plan) {
        return backend_of_a_new_database(plan, no_color, findings).await;
    }
    if !plan.lasts() || database.schema != database.needed_schema {
        findings.push(Finding::new(
            Status::Skipped,
            CHECK,
            "the blobs were not looked at",
            "opening a store migrates its database, and a store in memory has nothing to look at",
            "start the server with this program once, then run the doctor again",
        ));
        return;
    }
    let name = plan.sources.name("backend");
    let (database, backend) = match open_halves(plan, no_color).await {
        Ok(halves) => halves,
        Err(error) if is_in_use(plan, &error) => {
            findings.push(Finding::new(
                Status::Skipped,
                CHECK,
                format!("{name}: the blobs were not looked at, because another process has them open"),
                "a root of pack: can be open in one process only; a running server examines it itself",
                "to examine it, stop the server and run the doctor again",
            ));
            return;
        }
        Err(error) => {
            findings.push(unusable(chain(error.as_ref())));
            return;
        }
    };
    findings.push(probe(plan, &name, &backend).await);
    findings.push(compare(plan, &database, &backend).await);
    if let Err(error) = database.close().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the database was not closed properly"
        );
    }
    backend.close().await;
}

/// Returns whether there can be blobs. An empty or missing folder is that of a new store, and opening it would make it one.
fn can_have_blobs(plan: &StorePlan<'_>) -> bool {
    let folder = plan.settings.backend.path();
    folder.is_none_or(|folder| !halves::is_missing_or_empty(folder))
}

/// Compares blobs with a database that does not exist or is empty. The start of a server does the same before it makes the database.
async fn backend_of_a_new_database(
    plan: &StorePlan<'_>,
    no_color: bool,
    findings: &mut Vec<Finding>,
) {
    let settings = plan.settings;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    let name = plan.sources.name("backend");
    let backend = match settings.backend.open_with(bucket::options(settings)).await {
        Ok(backend) => backend,
        Err(error) => return findings.push(unusable(format!("{name}: {}", chain(&error)))),
    };
    findings.push(probe(plan, &name, &backend).await);
    findings.push(match halves::check_new_database_of(plan, &backend).await {
        Ok(()) if settings.adopt => Finding::ok(
            "halves",
            "there is no database yet, and --adopt is given",
            "the start of a server goes on without the rows that the blobs had",
        ),
        Ok(()) => Finding::ok(
            "halves",
            "the backend has no store id and no blobs, and there is no database yet",
            "the first start of a server makes both halves of a store",
        ),
        Err(error) => apart(chain(error.as_ref())),
    });
    backend.close().await;
}

/// Returns the finding of a backend that cannot be opened.
fn unusable(found: String) -> Finding {
    Finding::new(
        Status::Problem,
        "backend",
        found,
        "the server does not start with it",
        "do what the text says; for a bucket check its name, its region and the credentials",
    )
}

/// Tests whether the backend keeps its promises.
async fn probe(plan: &StorePlan<'_>, name: &str, backend: &Backend) -> Finding {
    const CHECK: &str = "backend";
    let is_bucket = plan.settings.backend.path().is_none();
    match backend.probe().await {
        Ok(()) if is_bucket => Finding::ok(
            CHECK,
            format!("{name}: the bucket overwrites nothing, also when writers race"),
            "a few small objects were created by several writers at once, read, listed and deleted again",
        ),
        Ok(()) => Finding::ok(
            CHECK,
            format!("{name}: no sync has failed"),
            "after a failed sync the backend acknowledges nothing any more",
        ),
        Err(error) => Finding::new(
            // An operator who has accepted the risk knows it already.
            match plan.settings.bucket_probe {
                BucketProbe::Warn | BucketProbe::Off if is_bucket => Status::Warning,
                _ => Status::Problem,
            },
            CHECK,
            format!("{name}: {}", chain(&error)),
            if is_bucket {
                "a bucket that overwrites, loses or changes objects does not keep what was acknowledged"
            } else {
                "the backend acknowledges nothing any more"
            },
            "do what the text says; --bucket-probe warn uses such a bucket nevertheless",
        ),
    }
}

async fn compare(plan: &StorePlan<'_>, database: &Database, backend: &Backend) -> Finding {
    let compared: Result<_> = async {
        let mut mismatch = halves::mismatch(plan, database, backend).await?;
        if mismatch.is_none() {
            // While the blobs are moved, this compares the two backends.
            let followed = placement::follow(plan, database, backend).await;
            mismatch = followed.err().map(|error| chain(error.as_ref()));
        }
        Ok(mismatch)
    }
    .await;
    let found = match compared {
        Ok(None) => {
            return Finding::ok(
                "halves",
                "the database and the backend belong together",
                "both keep the same store id",
            );
        }
        Ok(Some(sentence)) => sentence,
        Err(error) => chain(error.as_ref()),
    };
    apart(found)
}

/// Returns the finding of two halves that do not belong together.
fn apart(found: String) -> Finding {
    Finding::new(
        Status::Problem,
        "halves",
        found,
        "the server does not start: an artifact without its blob cannot be fetched, and a blob without its row would be deleted",
        "do what the text says; give --adopt only if the other half is really lost",
    )
}
