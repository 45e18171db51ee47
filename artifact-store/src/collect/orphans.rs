//! Finds blobs without a row, condemns their ids, then deletes them.

use artifact_backend::{ArtifactId, ArtifactInventory, BlobStat};
use futures_util::{StreamExt as _, stream};

use super::{CollectEvent, PARALLEL, Run, backend_error};
use crate::blob_survey::{Removed, Surveyed, survey};
use crate::catalog::MAX_PAGE;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::pace::Pace;

/// The most orphans of one run; each takes 24 bytes.
const MAX_ORPHANS: usize = 1 << 20;
/// Up to this number, orphans may be up to half of the blobs.
const FEW: u64 = 10;
/// More orphans may be up to this part (1/n) of the blobs.
const MAX_FRACTION: u64 = 10;

/// What the number of orphans says.
enum Number {
    /// They are deleted.
    Plausible,
    /// Most of very few blobs: of a new store with a crashed deposit, or of an old copy of a database. They cost little, so they
    /// are kept until there are more artifacts.
    FewOfFew,
    /// Crashed deposits do not leave as many.
    TooMany(Error),
}

/// The id and the size in bytes of an orphan.
type Orphan = (ArtifactId, u64);

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    /// Lists all blobs. Returns those that are old enough and have no row.
    pub(super) async fn find_orphans(&mut self) -> Result<Vec<Orphan>> {
        let Self {
            catalog,
            backend,
            options,
            listed,
            report,
            observe,
            ..
        } = self;
        let (now, grace) = (options.clock.now(), options.grace_period);
        let mut orphans = Vec::new();
        let mut found = |surveyed| match surveyed {
            Surveyed::Blob(BlobStat { id, size, .. }) => {
                listed.insert(id);
                report.blobs += 1;
                report.blob_bytes += size;
                if report.blobs.is_multiple_of(MAX_PAGE as u64) {
                    let blobs = report.blobs;
                    observe(CollectEvent::Listed { blobs });
                }
            }
            Surveyed::Damaged(id, error) => {
                listed.insert(id);
                report.damaged += 1;
                let error = backend_error(error);
                tracing::error!(
                    alarm = "corrupt-blob",
                    %id,
                    error = &error as &dyn std::error::Error,
                    "what is stored under this id is not a whole blob; it is left alone"
                );
                observe(CollectEvent::Damaged { id, error });
            }
            Surveyed::Orphan(_) if orphans.len() == MAX_ORPHANS => report.orphans_left += 1,
            Surveyed::Orphan(blob) => orphans.push((blob.id, blob.size)),
        };
        survey(*catalog, *backend, now, grace, Removed::Counts, &mut found).await?;
        Ok(orphans)
    }

    pub(super) async fn delete_orphans(&mut self, orphans: Vec<Orphan>) -> Result<()> {
        let number = orphans.len() as u64;
        match self.judge_number(number) {
            Number::Plausible => {}
            Number::FewOfFew => {
                self.report.orphans_left += number;
                return Ok(());
            }
            Number::TooMany(error) => {
                self.report.orphans_left += number;
                return Err(error);
            }
        }
        for batch in orphans.chunks(MAX_PAGE) {
            if self.options.dry_run {
                for orphan in batch {
                    self.deleted(*orphan);
                }
            } else {
                self.delete_batch(batch).await?;
            }
        }
        Ok(())
    }

    /// Compares the number of orphans with what crashed deposits leave. Logs an alarm if there are too many.
    fn judge_number(&self, orphans: u64) -> Number {
        let (orphans, blobs) = (orphans + self.report.orphans_left, self.report.blobs);
        let are_few = orphans <= blobs / if orphans <= FEW { 2 } else { MAX_FRACTION };
        if self.options.many_orphans || self.options.dry_run || are_few {
            return Number::Plausible;
        }
        if orphans <= FEW {
            return Number::FewOfFew;
        }
        tracing::error!(
            alarm = "many-orphans",
            orphans,
            blobs,
            "many blobs have no row, and none was deleted: is the database an old copy, or the wrong one?"
        );
        let detail = format!(
            "{orphans} of {blobs} blobs have no row, so none was deleted; check that the database is the right one and \
             complete, then allow many orphans"
        );
        let error = Error::new(ErrorKind::Misconfigured, Operation::MaintainBackend);
        Number::TooMany(error.with_detail(detail))
    }

    /// Condemns the ids, and deletes the blobs of those that the catalog returns.
    async fn delete_batch(&mut self, batch: &[Orphan]) -> Result<()> {
        let ids: Vec<_> = batch.iter().map(|(id, _)| *id).collect();
        // A row may have been written since the list. The catalog leaves out its id.
        let mut condemned = self.catalog.condemn(&ids).await?;
        condemned.sort_unstable();
        let mut batch = batch.to_vec();
        batch.retain(|(id, _)| condemned.binary_search(id).is_ok());
        let (backend, pace) = (self.backend, self.pace);
        let deletions = batch
            .into_iter()
            .map(|orphan| delete(backend, pace, orphan));
        let mut deletions = stream::iter(deletions).buffer_unordered(PARALLEL);
        while let Some((orphan, outcome)) = deletions.next().await {
            match outcome {
                Ok(()) => self.deleted(orphan),
                Err(error) => self.failed(orphan.0, backend_error(error)),
            }
        }
        Ok(())
    }

    fn deleted(&mut self, (id, size): Orphan) {
        self.report.orphans += 1;
        self.report.orphan_bytes += size;
        (self.observe)(CollectEvent::Orphan { id, size });
    }
}

/// Deletes the blob of an id that never gets a row.
async fn delete(
    backend: &dyn ArtifactInventory,
    pace: &Pace,
    orphan: Orphan,
) -> (Orphan, artifact_backend::Result<()>) {
    pace.take(1).await;
    (orphan, backend.delete(orphan.0).await)
}
