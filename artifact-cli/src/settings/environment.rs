//! The one seam to the environment: taken once, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::nearest::nearest;
use super::registry::{PGPASSWORD, SETTINGS};

/// Every variable that begins so is one of ours, or a typing error.
const PREFIX: &str = "ARTIFACT_";
/// See no-color.org: any value but an empty one turns colours off.
const NO_COLOR: &str = "NO_COLOR";

/// The variables that concern us.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let ours = |name: &OsStr| {
            name == NO_COLOR
                || name == PGPASSWORD
                || name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
        };
        Self(std::env::vars_os().filter(|(name, _)| ours(name)).collect())
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// A variable that is set and not empty: an empty one is how scripts unset one.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.0.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value.as_os_str())
    }

    pub(crate) fn no_color(&self) -> bool {
        self.get(NO_COLOR).is_some()
    }

    /// A sentence for each variable that looks like ours and is none.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let known: Vec<_> = SETTINGS.iter().filter_map(|setting| setting.env).collect();
        let names = self.0.keys().map(|name| name.to_string_lossy());
        names
            .filter(|name| name != NO_COLOR && !known.contains(&name.as_ref()))
            .map(|name| {
                let name = name.escape_debug().to_string();
                let hint = nearest(&name, known.iter().copied());
                let hint = hint.map_or(String::new(), |near| format!("; did you mean {near}?"));
                format!("the environment variable {name} is no setting{hint}")
            })
            .collect()
    }
}
