//! The labels of a worker.

use std::collections::BTreeMap;

/// Text values by text key, attached to a worker by its registrar. This crate does not interpret
/// them.
///
/// At most [`MAX_ENTRIES`](Self::MAX_ENTRIES), whose keys and values have at most
/// [`MAX_BYTES`](Self::MAX_BYTES) in all. Labels that an earlier version stored may be larger.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use artifact_store::Labels;
///
/// let zone = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
/// let labels = Labels::try_from(zone)?;
/// assert_eq!(labels.as_map()["zone"], "a");
///
/// let large = BTreeMap::from([("zone".to_owned(), "a".repeat(5_000))]);
/// assert!(Labels::try_from(large).is_err());
/// # Ok::<(), artifact_store::InvalidLabels>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The maximum number of labels.
    pub const MAX_ENTRIES: usize = 64;
    /// The maximum number of bytes of UTF-8 in all keys and values together.
    pub const MAX_BYTES: usize = 4096;

    /// Returns the labels by key.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Wraps labels that were stored before, of any size.
    #[cfg(feature = "backup")]
    pub(crate) fn of_any_size(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    /// Returns the number of bytes of UTF-8 in all keys and values together.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.0)
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

    /// Parses the output of [`to_json`](Self::to_json), of any size.
    ///
    /// # Errors
    ///
    /// If the text is not one JSON object with text values.
    pub fn from_json(json: &str) -> Result<Self, InvalidLabels> {
        let parsed = serde_json::from_str(json);
        parsed
            .map(Self)
            .map_err(|error| InvalidLabels(Reason::Json(error)))
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = InvalidLabels;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, InvalidLabels> {
        let found = map.len();
        if found > Self::MAX_ENTRIES {
            return Err(InvalidLabels(Reason::Entries { found }));
        }
        let found = bytes(&map);
        if found > Self::MAX_BYTES {
            return Err(InvalidLabels(Reason::Bytes { found }));
        }
        Ok(Self(map))
    }
}

fn bytes(map: &BTreeMap<String, String>) -> usize {
    map.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// The error for labels that are too many or too large, or for a text that is not one JSON object with
/// text values. Its message does not repeat the labels.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidLabels(Reason);

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("labels are one JSON object with text values")]
    Json(#[source] serde_json::Error),
    #[error("a worker has at most {max} labels, not {found}", max = Labels::MAX_ENTRIES)]
    Entries { found: usize },
    #[error(
        "the keys and values of a worker's labels have at most {max} bytes in all, not {found}",
        max = Labels::MAX_BYTES
    )]
    Bytes { found: usize },
}
