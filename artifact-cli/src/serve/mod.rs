//! `artifact serve`: our own first embedder of store and router.

mod accept;
mod data_dir;
mod first_bytes;
mod hints;
mod linger;
mod listen;
mod logging;
mod plan;
mod ready;
mod token;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_http::{AdminToken, HttpConfig};

use self::accept::{Ended, Limits};
use self::plan::Plan;
use crate::output;
use crate::settings::Loaded;
use crate::signals::Signals;

/// How old a leftover of a crashed deposit must be before it is removed at the start.
const LEFTOVER_AGE: Duration = Duration::from_hours(24);

/// Serves until a signal. Everything that can be refused is refused before anything is made.
pub(crate) async fn run(loaded: &Loaded, no_color: bool) -> Result<()> {
    let plan = Plan::new(loaded)?;
    let listener = listen::bind(&plan)?;
    let address = listener.local_addr()?;
    logging::init(&plan, no_color);
    let mut signals = Signals::new()?;
    let opened = data_dir::open(&plan).await?;

    let authenticator = AdminToken::new(&opened.token)?;
    let router = artifact_http::router(
        opened.store.clone(),
        Arc::new(authenticator),
        HttpConfig::default(),
    );

    let inventory = opened.backend.inventory();
    let sweep = tokio::spawn(async move {
        match inventory.sweep(LEFTOVER_AGE).await {
            Ok(report) => tracing::info!(
                removed = report.removed,
                removed_bytes = report.removed_bytes,
                kept = report.kept,
                "swept leftovers of former runs"
            ),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leftovers of former runs could not be swept; the next start tries again"
            ),
        }
    });

    if !address.ip().is_loopback() {
        tracing::warn!(
            "other machines can connect, and nothing is encrypted on the way: put a proxy that \
             speaks TLS in front"
        );
    }
    output::note(hints::text(&plan, address));
    ready::announce(&plan, address);

    let limits = Limits {
        header: plan.header_timeout,
        drain: plan.drain_timeout,
    };
    let ended = accept::serve(listener, router, limits, &mut signals).await;
    sweep.abort();
    // The database is closed, and the lock given back, once nothing uses them any more.
    drop(opened);
    match ended {
        Ended::Drained => Ok(()),
        Ended::Cut(requests) => Err(anyhow!(
            "{requests} connections were cut with requests in flight; --drain-timeout gives them \
             longer"
        )),
    }
}
