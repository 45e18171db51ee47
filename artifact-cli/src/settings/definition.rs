//! What clap's definition of an argument says about the setting.

use std::any::TypeId;
use std::time::Duration;

use clap::builder::OsStr;
use clap::{Arg, ArgAction, Args, Command};
use secrecy::SecretString;

use super::ClientSettings;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use super::ServeSettings;
use super::common::ByteSize;

/// A default with this prefix is a path in the data folder.
const DATA_DIR: &str = "<data_dir>";

/// Returns the definitions of the settings in `S`, in the order of its fields.
pub(super) fn definitions<S: Args>() -> Vec<Arg> {
    let command = S::augment_args(Command::new("settings"));
    command.get_arguments().cloned().collect()
}

/// Returns the definitions of all settings; those of several commands appear several times.
pub(super) fn all_definitions() -> impl Iterator<Item = Arg> {
    let client = definitions::<ClientSettings>();
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    let client = definitions::<ServeSettings>().into_iter().chain(client);
    client.into_iter()
}

/// The properties of a setting, read from its clap definition.
pub(super) trait Definition {
    fn name(&self) -> &str;
    fn variable(&self) -> Option<&str>;
    /// Returns whether the value is secret. Such a setting has no flag, because all users can see the
    /// arguments of a process.
    fn is_secret(&self) -> bool;
    fn is_list(&self) -> bool;
    /// Returns whether the settings file may contain the setting.
    fn is_in_file(&self) -> bool;
    /// Returns whether the value in the settings file may be an integer.
    fn is_number(&self) -> bool;
    fn is_byte_size(&self) -> bool;
    /// Returns the default values as texts. A text that starts with `<` describes a default that depends
    /// on other settings.
    fn defaults(&self) -> impl Iterator<Item = &str>;
    /// Returns the path inside the data folder that is the default, such as `/blobs`.
    fn computed_default(&self) -> Option<&str>;
}

impl Definition for Arg {
    fn name(&self) -> &str {
        self.get_id().as_str()
    }

    fn variable(&self) -> Option<&str> {
        self.get_env().and_then(|name| name.to_str())
    }

    fn is_secret(&self) -> bool {
        has_type::<SecretString>(self)
    }

    fn is_list(&self) -> bool {
        matches!(self.get_action(), ArgAction::Append)
    }

    fn is_in_file(&self) -> bool {
        self.variable().is_some() && !self.is_secret() && self.name() != "config"
    }

    fn is_number(&self) -> bool {
        self.is_byte_size()
            || has_type::<Duration>(self)
            || has_type::<usize>(self)
            || has_type::<u32>(self)
    }

    fn is_byte_size(&self) -> bool {
        has_type::<ByteSize>(self)
    }

    fn defaults(&self) -> impl Iterator<Item = &str> {
        let values: &[OsStr] = self.get_default_values();
        values.iter().filter_map(|value| value.to_str())
    }

    fn computed_default(&self) -> Option<&str> {
        self.defaults().find_map(|text| text.strip_prefix(DATA_DIR))
    }
}

fn has_type<T: 'static>(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<T>()
}

/// Returns "; did you mean NAME?" for the known name nearest to `typed`, or nothing.
pub(super) fn suggestion<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> String {
    // Nothing this long is near, and the comparison would take its time.
    if typed.len() > 64 {
        return String::new();
    }
    let nearest = known
        .map(|name| (strsim::levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .min();
    nearest.map_or(String::new(), |(_, name)| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::FOREIGN;

    #[test]
    fn a_typing_error_suggests_its_name_and_a_foreign_word_suggests_nothing() {
        let known = ["listen", "data_dir", "database"];
        for (typed, suggested) in [
            ("listn", "; did you mean listen?"),
            ("datadir", "; did you mean data_dir?"),
            ("databse", "; did you mean database?"),
            ("colour", ""),
            ("", ""),
        ] {
            assert_eq!(suggestion(typed, known.into_iter()), suggested, "{typed}");
        }
        assert_eq!(suggestion(&"x".repeat(100_000), known.into_iter()), "");
    }

    #[test]
    fn flags_and_variables_are_named_after_their_key() {
        for arg in all_definitions() {
            let name = arg.name();
            if let Some(env) = arg.variable().filter(|env| !FOREIGN.contains(env)) {
                assert_eq!(env, format!("ARTIFACT_{}", name.to_uppercase()));
            }
            let flag = arg.get_long().unwrap();
            let name = name.replace('_', "-");
            assert!(name.starts_with(flag) || flag.starts_with(&name), "{flag}");
        }
    }

    #[test]
    fn secrets_are_hidden_and_have_a_variable() {
        for arg in all_definitions() {
            assert_eq!(arg.is_secret(), arg.is_hide_set(), "{arg}");
            assert!(!arg.is_secret() || arg.variable().is_some(), "{arg}");
        }
    }
}
