//! The settings file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Arg;
use toml::Value;

use super::definition::{Definition, all_definitions, suggestion};
use crate::failure::{setup, setup_from};
use crate::files;

/// A settings file whose keys are all known.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    table: toml::Table,
}

impl SettingsFile {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = files::read_small(path)
            .map_err(|error| setup_from(error, format!("cannot read the settings file {shown}")))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text[..start].matches('\n').count() + 1;
            // Only the first line: the rest quotes the file, which may hold a secret.
            let message = error.message().lines().next().unwrap_or_default();
            setup(format!(
                "the settings file {shown} is not valid TOML, line {line}: {message}"
            ))
        })?;
        let file = Self {
            path: path.to_owned(),
            table,
        };
        let definitions: Vec<_> = all_definitions().collect();
        for key in file.table.keys() {
            file.check_key(key, &definitions)?;
        }
        Ok(file)
    }

    fn check_key(&self, key: &str, definitions: &[Arg]) -> Result<()> {
        let path = self.path.display();
        match definitions.iter().find(|arg| arg.name() == key) {
            Some(arg) if arg.is_in_file() => Ok(()),
            Some(arg) if arg.is_secret() => Err(setup(format!(
                "{key} is a secret and does not belong in the settings file {path}; put it into a \
                 file of mode 0600 and set {key}_file"
            ))),
            Some(_) => Err(setup(format!(
                "{key} cannot be set in the settings file {path}"
            ))),
            None => {
                let known = definitions.iter().filter(|arg| arg.is_in_file());
                let suggestion = suggestion(key, known.map(Definition::name));
                let key = key.escape_debug();
                Err(setup(format!(
                    "the settings file {path} has an unknown key {key}{suggestion}"
                )))
            }
        }
    }

    /// Returns the setting's value as texts: several for a list, otherwise one.
    pub(super) fn texts(&self, arg: &Arg) -> Result<Option<Vec<String>>> {
        let Some(value) = self.table.get(arg.name()) else {
            return Ok(None);
        };
        let (texts, expected) = match value {
            Value::String(text) => (Some(vec![text.clone()]), ""),
            Value::Array(items) if arg.is_list() => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                (texts.collect(), "an array of strings")
            }
            Value::Integer(number) if arg.is_number() => (Some(vec![number.to_string()]), ""),
            _ if arg.is_list() => (None, "an array of strings"),
            _ if arg.is_byte_size() => (None, "a whole number or a string such as \"100MiB\""),
            _ if arg.is_number() => (None, "a whole number"),
            _ => (None, "a string"),
        };
        texts.map(Some).ok_or_else(|| {
            let (name, path) = (arg.name(), self.path.display());
            setup(format!(
                "{name} in the settings file {path} must be {expected}"
            ))
        })
    }
}
