//! Looks at a database without changing it.

use artifact_backend::{Clock as _, SystemClock};
use tokio::time::Instant;

use super::connections::Connections;
use super::error::Failure;
use super::manager::Manager;
use super::{PostgresOptions, migrations, opened};
use crate::database::{DatabaseReport, DatabaseUrl};
use crate::error::{Error, Operation, Result};

/// The clock comes in milliseconds since 1970.
const QUERY: &str = "\
    SELECT current_setting('server_version'), \
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
        ARRAY(SELECT name FROM pg_catalog.pg_settings \
            WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name)";

pub(crate) async fn inspect(url: &DatabaseUrl) -> Result<DatabaseReport> {
    let Some((target, password)) = url.postgres() else {
        return Ok(DatabaseReport::default());
    };
    let tls = PostgresOptions::default().tls(target).await?;
    let connections = Connections::new(Manager::new(target, password, tls), 1)?;
    let client = connections.get_with_retries().await.map_err(|failure| {
        Error::new(failure.kind, Operation::OpenDatabase)
            .with_detail(format!("the database {target} cannot be used"))
            .with_source(failure.into_error(Operation::OpenDatabase))
    })?;
    let schema = migrations::installed(&***client).await?;
    // The first query of a session reads catalogs, so the second one is timed.
    let statement = client.prepare(QUERY).await;
    let statement = statement.map_err(|error| opened(Failure::of(error)))?;
    let (begin, start) = (SystemClock.now(), Instant::now());
    let row = client.query_one(&statement, &[]).await;
    let round_trip = start.elapsed();
    let row = row.map_err(|error| opened(Failure::of(error)))?;
    let failed = |error| opened(Failure::of(error));
    let here = (begin + round_trip / 2).duration_since(std::time::UNIX_EPOCH);
    let here = here.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let version: String = row.try_get(0).map_err(failed)?;
    let there: i64 = row.try_get(1).map_err(failed)?;
    let unsafe_settings = row.try_get(2).map_err(failed)?;
    drop(client);
    connections.close();
    Ok(DatabaseReport {
        schema,
        needed_schema: migrations::ALL.len(),
        server: Some(format!("PostgreSQL {version}")),
        clock_ahead_ms: Some(there.saturating_sub(here)),
        round_trip: Some(round_trip),
        unsafe_settings,
    })
}
