//! The environment variables of this program, read once: the only access to the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::definition::{Definition, all_definitions, suggestion};

/// A variable with this prefix is a setting, or a typing error.
const PREFIX: &str = "ARTIFACT_";
/// Turns colours off unless it is empty; see no-color.org.
const NO_COLOR: &str = "NO_COLOR";
/// The variables of settings without the prefix: PostgreSQL's own programs and all programs with OpenTelemetry read them too.
pub(super) const FOREIGN: [&str; 2] = ["PGPASSWORD", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The variables that this program reads.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn of_process() -> Self {
        let is_read = |name: &OsStr| {
            name == NO_COLOR
                || FOREIGN.iter().any(|foreign| name == *foreign)
                || name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
        };
        Self(
            std::env::vars_os()
                .filter(|(name, _)| is_read(name))
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter();
        Self(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// Returns a variable that is set and not empty. Scripts unset variables by an empty value.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.0.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value.as_os_str())
    }

    pub(crate) fn no_color(&self) -> bool {
        self.get(NO_COLOR).is_some()
    }

    /// Returns a sentence for each variable that has the prefix and is no setting.
    pub(crate) fn unknown_variables(&self) -> Vec<String> {
        let definitions: Vec<_> = all_definitions().collect();
        let known: Vec<_> = definitions
            .iter()
            .filter_map(Definition::variable)
            .collect();
        let names = self.0.keys().map(|name| name.to_string_lossy());
        names
            .filter(|name| name != NO_COLOR && !known.contains(&name.as_ref()))
            .map(|name| {
                let name = name.escape_debug().to_string();
                let suggestion = suggestion(&name, known.iter().copied());
                format!("the environment variable {name} is not a setting{suggestion}")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn unknown_variables_are_reported_with_a_suggestion() {
        let environment = [
            ("ARTIFACT_LISTN", "x"),
            ("ARTIFACT_LOG", "x"),
            ("NO_COLOR", "1"),
        ];
        let unknown = Environment::of(&environment).unknown_variables();
        let expected = "the environment variable ARTIFACT_LISTN is not a setting; did you mean \
                        ARTIFACT_LISTEN?";
        assert_eq!(unknown, [expected]);
    }
}
