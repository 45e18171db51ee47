//! Finds rows whose blob is missing.

use artifact_backend::{ArtifactId, ErrorKind as BackendErrorKind};

use super::{BATCH, CollectEvent, Run, backend_error};
use crate::catalog::{RowFilter, RowPosition};
use crate::error::Result;

/// How many ids the alarm in the log names.
const NAMED: usize = 10;

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    /// Compares all rows with the list of blobs. A row whose blob is not in it is looked up: it may be newer than the list.
    pub(super) async fn find_missing(&mut self) -> Result<()> {
        let mut named = Vec::new();
        let compared = self.compare_rows(&mut named).await;
        if self.report.missing > 0 {
            tracing::error!(
                alarm = "missing-blobs",
                missing = self.report.missing,
                ids = named.join(" "),
                "artifacts have a row, and their blob is missing; restore the blobs from a backup"
            );
        }
        compared
    }

    async fn compare_rows(&mut self, named: &mut Vec<String>) -> Result<()> {
        let mut after = RowPosition::START;
        let all = RowFilter::default();
        loop {
            let page = self.catalog.scan(&all, after, BATCH).await?;
            for row in &page.rows {
                self.report.rows += 1;
                if self.listed.may_contain(row.id) {
                    continue;
                }
                match self.is_missing(row.id).await {
                    Ok(false) => {}
                    Ok(true) => {
                        if named.len() < NAMED {
                            named.push(row.id.to_string());
                        }
                        self.report.missing += 1;
                        (self.observe)(CollectEvent::MissingBlob { id: row.id });
                    }
                    Err(error) => self.failed(row.id, error),
                }
            }
            let rows = self.report.rows;
            (self.observe)(CollectEvent::Compared { rows });
            let Some(next) = page.next else {
                return Ok(());
            };
            after = next;
        }
    }

    async fn is_missing(&mut self, id: ArtifactId) -> Result<bool> {
        match self.backend.stat(id).await {
            Ok(_) => Ok(false),
            // A damaged blob is there; the list has reported it, or a scrub does.
            Err(error) if error.kind() == BackendErrorKind::Corrupt => Ok(false),
            // The row may have been removed meanwhile, and its blob after it.
            Err(error) if error.kind() == BackendErrorKind::NotFound => {
                Ok(!self.catalog.missing(&[id]).await?.contains(&id))
            }
            Err(error) => Err(backend_error(error)),
        }
    }
}
