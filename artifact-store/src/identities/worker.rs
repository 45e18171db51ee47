//! A worker, and what it is labelled with.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{DisplayName, WorkerId};
use crate::names::{ExperimentId, PrincipalId};
use crate::row::whole_microseconds;

/// A program that asks with a credential of its own. It never changes; its credential may.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worker {
    /// Names it.
    pub id: WorkerId,
    /// The one experiment it belongs to.
    pub experiment: ExperimentId,
    /// What people call it.
    pub name: Option<DisplayName>,
    /// What its registrar attached to it. None and an empty map are told apart.
    pub labels: Option<Labels>,
    /// When it was registered, in whole microseconds since 1970.
    pub registered_at: Timestamp,
    /// Who registered it.
    pub registered_by: PrincipalId,
}

impl Worker {
    /// A worker without name and labels. `registered_at` is cut to microseconds.
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
            registered_at: whole_microseconds(registered_at),
            registered_by,
        }
    }

    /// The same worker with this name, or none.
    #[must_use = "this gives the worker back, it does not change it in place"]
    pub fn with_name(mut self, name: impl Into<Option<DisplayName>>) -> Self {
        self.name = name.into();
        self
    }

    /// The same worker with these labels, or none.
    #[must_use = "this gives the worker back, it does not change it in place"]
    pub fn with_labels(mut self, labels: impl Into<Option<Labels>>) -> Self {
        self.labels = labels.into();
        self
    }
}

/// Texts by text, for whoever runs an experiment. Nothing here reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The labels by key.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The labels as one JSON object, for a database to keep: pure text without U+0000, which
    /// PostgreSQL holds in no text, even where a label has it.
    pub fn to_json(&self) -> String {
        let labels = self
            .0
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        labels.collect::<serde_json::Value>().to_string()
    }

    /// The labels that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// When it did not write this.
    pub fn from_json(json: &str) -> Result<Self, InvalidLabels> {
        serde_json::from_str(json).map(Self).map_err(InvalidLabels)
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

/// A text is not one JSON object of texts.
#[derive(Debug, thiserror::Error)]
#[error("labels are one JSON object of texts")]
pub struct InvalidLabels(#[source] serde_json::Error);
