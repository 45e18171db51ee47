//! A worker.

use jiff::Timestamp;

use super::{DisplayName, Labels, WorkerId};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A program that sends requests with its own credential. The record never changes; the credential
/// can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// The experiment that it belongs to.
    pub experiment: ExperimentId,
    /// Its name for people.
    pub name: Option<DisplayName>,
    /// The labels from its registrar. `None` and an empty map are different.
    pub labels: Option<Labels>,
    /// When it was registered, in whole microseconds since 1970.
    pub registered_at: Timestamp,
    /// The principal that registered it.
    pub registered_by: PrincipalId,
}

impl Worker {
    /// Creates a worker without name and labels. Truncates `registered_at` to microseconds.
    pub fn new(
        id: WorkerId,
        experiment: ExperimentId,
        registered_at: Timestamp,
        registered_by: PrincipalId,
    ) -> Self {
        Self {
            id,
            experiment,
            name: None,
            labels: None,
            registered_at: truncate_to_micros(registered_at),
            registered_by,
        }
    }

    /// Sets the name, or removes it.
    #[must_use = "returns the changed worker"]
    pub fn with_name(mut self, name: impl Into<Option<DisplayName>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the labels, or removes them.
    #[must_use = "returns the changed worker"]
    pub fn with_labels(mut self, labels: impl Into<Option<Labels>>) -> Self {
        self.labels = labels.into();
        self
    }
}
