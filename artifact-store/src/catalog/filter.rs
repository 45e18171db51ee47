//! Which rows a list contains.

use jiff::Timestamp;

use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;

/// Selects rows. An unset field selects all.
///
/// The catalog has indexes for `experiment`, and for `experiment` with `created_by`. The other fields are compared with
/// each row that these select, so a page may need to look at many rows; see
/// [`CatalogInventory::scan`](super::CatalogInventory::scan).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RowFilter {
    /// The experiment of the row.
    pub experiment: Option<ExperimentId>,
    /// The depositor.
    pub created_by: Option<PrincipalId>,
    /// The earliest time of creation.
    pub created_from: Option<Timestamp>,
    /// The time of creation is before this one.
    pub created_before: Option<Timestamp>,
    /// The least size in bytes.
    pub min_size: Option<u64>,
    /// The greatest size in bytes.
    pub max_size: Option<u64>,
    /// What the content type is, without parameters, in any case; `image/*` selects every type of images.
    pub content_type: Option<String>,
    /// What the file name contains, letter for letter.
    pub name_contains: Option<String>,
}

impl RowFilter {
    /// Selects the rows of one experiment.
    pub fn of_experiment(experiment: ExperimentId) -> Self {
        Self {
            experiment: Some(experiment),
            ..Self::default()
        }
    }

    /// Returns whether the filter selects this row.
    pub fn selects(&self, row: &Row) -> bool {
        self.experiment
            .as_ref()
            .is_none_or(|wanted| *wanted == row.experiment)
            && self
                .created_by
                .as_ref()
                .is_none_or(|wanted| *wanted == row.created_by)
            && self.created_from.is_none_or(|from| from <= row.created_at)
            && self
                .created_before
                .is_none_or(|before| row.created_at < before)
            && self.min_size.is_none_or(|least| least <= row.size)
            && self.max_size.is_none_or(|greatest| row.size <= greatest)
            && self
                .content_type
                .as_ref()
                .is_none_or(|wanted| is_type(wanted, row.content_type.as_str()))
            && self.name_contains.as_ref().is_none_or(|wanted| {
                let name = row.file_name.as_ref();
                name.is_some_and(|name| name.as_str().contains(wanted.as_str()))
            })
    }
}

/// Compares a content type, without its parameters, with the wanted one.
fn is_type(wanted: &str, found: &str) -> bool {
    let found = found.split(';').next().unwrap_or_default().trim_end();
    match wanted.strip_suffix("/*") {
        Some(class) => found
            .split_once('/')
            .is_some_and(|(found, _)| found.eq_ignore_ascii_case(class)),
        None => found.eq_ignore_ascii_case(wanted),
    }
}
