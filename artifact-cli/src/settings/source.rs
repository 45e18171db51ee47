//! Where the value of a setting comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The place that set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Env(String),
    Flag(String),
}

impl Source {
    /// Returns the precedence: flags over the environment over the file over defaults.
    fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// Returns what messages call the setting: `--listen`, `ARTIFACT_LISTEN`, `listen in FILE`.
    pub(super) fn name(&self, setting: &str) -> String {
        match self {
            Self::Flag(flag) => format!("--{flag}"),
            Self::Env(variable) => variable.clone(),
            Self::File(path) => format!("{setting} in {}", path.display()),
            Self::Default => setting.to_owned(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// The sources of a command's settings, by name. Settings without a value are missing.
#[derive(Debug, Default)]
pub(crate) struct Sources(pub(super) BTreeMap<String, Source>);

impl Sources {
    pub(super) fn get(&self, setting: &str) -> Option<&Source> {
        self.0.get(setting)
    }

    /// Returns what messages call the setting.
    pub(crate) fn name(&self, setting: &str) -> String {
        let source = self.get(setting);
        source.map_or_else(|| setting.to_owned(), |source| source.name(setting))
    }

    pub(crate) fn is_default(&self, setting: &str) -> bool {
        self.get(setting) == Some(&Source::Default)
    }

    /// Returns the precedence of the setting's source, or `None` if it has no value.
    pub(super) fn rank(&self, setting: &str) -> Option<u8> {
        self.get(setting).map(Source::rank)
    }
}
