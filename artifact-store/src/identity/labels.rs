//! The labels of a worker.

use std::collections::BTreeMap;

/// Text values by text key, attached to a worker by its registrar. This crate does not interpret
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Returns the labels by key.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Returns the labels as one JSON object, the form that databases store.
    ///
    /// The JSON never contains U+0000, which PostgreSQL does not allow in text, even if a label
    /// does.
    pub fn to_json(&self) -> String {
        let labels = self
            .0
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        labels.collect::<serde_json::Value>().to_string()
    }

    /// Parses the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// If the text is not one JSON object with text values.
    pub fn from_json(json: &str) -> Result<Self, InvalidLabels> {
        serde_json::from_str(json).map(Self).map_err(InvalidLabels)
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

/// The error for a text that is not one JSON object with text values.
#[derive(Debug, thiserror::Error)]
#[error("labels are one JSON object with text values")]
pub struct InvalidLabels(#[source] serde_json::Error);
