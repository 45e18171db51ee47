//! The rows of imports in memory, before they are visible.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use artifact_backend::ArtifactId;

use super::Maps;
use crate::catalog::{IMPORT_LASTS, ImportId, StagedRow};
use crate::database::rejected::Rejected;

/// What imports have staged.
#[derive(Debug, Default)]
pub(super) struct Staged {
    imports: HashMap<ImportId, Import>,
    ids: HashMap<ArtifactId, ImportId>,
}

/// The staged rows of one import, and the time of its last call.
#[derive(Debug)]
struct Import {
    renewed_at: SystemTime,
    rows: Vec<StagedRow>,
}

impl Staged {
    /// Returns whether an import that is not over has staged the id.
    pub(super) fn keeps(&self, id: ArtifactId, now: SystemTime) -> bool {
        let import = self
            .ids
            .get(&id)
            .and_then(|import| self.imports.get(import));
        import.is_some_and(|import| !is_over(import, now))
    }

    /// Stages rows whose ids this import has not staged.
    pub(super) fn stage(
        &mut self,
        id: ImportId,
        rows: &[StagedRow],
        now: SystemTime,
    ) -> Result<(), Rejected> {
        let mut new = HashSet::new();
        if rows
            .iter()
            .any(|staged| self.ids.get(&staged.row.id) == Some(&id) || !new.insert(staged.row.id))
        {
            return Err(Rejected::STAGED_TWICE);
        }
        self.imports
            .retain(|other, import| *other == id || !is_over(import, now));
        let imports = &self.imports;
        self.ids
            .retain(|artifact, import| imports.contains_key(import) && !new.contains(artifact));
        for import in self.imports.values_mut() {
            import.rows.retain(|staged| !new.contains(&staged.row.id));
        }
        self.ids
            .extend(new.into_iter().map(|artifact| (artifact, id)));
        let import = self.imports.entry(id).or_insert_with(|| Import {
            renewed_at: now,
            rows: Vec::new(),
        });
        import.renewed_at = now;
        import.rows.extend_from_slice(rows);
        Ok(())
    }
}

impl Maps {
    /// Makes the rows of an import visible.
    pub(super) fn publish(&mut self, id: ImportId, number: u64) -> Result<(), Rejected> {
        let staged = &self.rows.staged;
        let rows = staged
            .imports
            .get(&id)
            .map_or(&[][..], |import| &import.rows);
        let fence = self.fence();
        if rows.iter().any(|staged| staged.placement < fence) {
            return Err(Rejected::LEFT_BACKEND);
        }
        if rows.len() as u64 != number {
            return Err(Rejected::TAKEN_OVER);
        }
        if rows.iter().any(|staged| self.rows.is_taken(staged.row.id)) {
            return Err(Rejected::TAKEN_MEANWHILE);
        }
        if rows
            .iter()
            .any(|staged| !self.experiments.contains_key(&staged.row.experiment))
        {
            return Err(Rejected::NO_EXPERIMENT);
        }
        let staged = &mut self.rows.staged;
        staged.ids.retain(|_, import| *import != id);
        let rows = staged
            .imports
            .remove(&id)
            .map_or_else(Vec::new, |import| import.rows);
        for StagedRow {
            row,
            hold,
            chunk_digests,
            placement: _,
        } in rows
        {
            self.rows.insert(row, chunk_digests);
            if let Some(hold) = hold {
                self.rows.place_hold(&hold);
            }
        }
        Ok(())
    }
}

fn is_over(import: &Import, now: SystemTime) -> bool {
    let age = now.duration_since(import.renewed_at);
    age.unwrap_or(Duration::ZERO) >= IMPORT_LASTS
}
