//! Parses the command line and gathers the settings of its command.
//!
//! clap parses twice. The first time it checks the command line alone, which also finds `--config`. For
//! the second time, the values from the environment and the settings file replace clap's defaults, so
//! that every value goes through the same parser, and a flag keeps precedence over all of them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, value_parser};

use super::Environment;
use super::definition::Definition;
use super::file::SettingsFile;
use super::source::{Source, Sources};
use crate::failure::setup;

/// A valid command line, and the settings of its command.
pub(crate) struct Loaded {
    /// The parsed command line.
    pub(crate) matches: ArgMatches,
    pub(crate) sources: Sources,
}

impl fmt::Debug for Loaded {
    /// Omits the values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// Values for settings that no flag sets. They may be secrets, so there is no `Debug`.
#[derive(Default)]
struct Values(BTreeMap<String, (Vec<String>, Source)>);

/// Gathers the settings: flags over the environment over the settings file over defaults.
///
/// # Errors
///
/// [`clap::Error`] for a wrong command line, `--help` and `--version`; otherwise one sentence.
pub(crate) fn load(
    command: &Command,
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    environment: &Environment,
) -> Result<Loaded> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let parse = |values: Option<&Values>| {
        let command = with_defaults(command.clone(), values);
        command.try_get_matches_from(&arguments)
    };
    let matches = parse(None).map_err(|error| {
        let sentence = sentence(&error, str::to_owned);
        sentence.map_or_else(|| error.into(), setup)
    })?;
    let settings = settings_of(command, &matches);
    check_no_secret_is_a_flag(&settings, innermost(&matches))?;

    let mut values = Values::default();
    values.add_environment(&settings, innermost(&matches), environment)?;
    values.add_file(&settings, innermost(&matches))?;
    values.add_computed_defaults(&settings, innermost(&matches))?;
    let matches = parse(Some(&values)).map_err(|error| {
        // Flags were valid the first time, so the value is from one of these.
        let name = |flag: &str| values.name_of_flag(flag, &settings);
        let sentence = sentence(&error, name);
        sentence.map_or_else(|| error.into(), setup)
    })?;
    let sources = values.sources(&settings, innermost(&matches));
    Ok(Loaded { matches, sources })
}

impl Loaded {
    /// Returns the settings of the command, of which `S` is the type.
    pub(crate) fn settings<S: Args>(&self) -> Result<S> {
        Ok(S::from_arg_matches(innermost(&self.matches))?)
    }

    /// Returns a setting's value as it was written, which may be a secret.
    pub(super) fn texts(&self, setting: &str) -> Vec<String> {
        let values = innermost(&self.matches).get_raw(setting);
        let values = values.into_iter().flatten();
        values.map(|value| value.to_string_lossy().into()).collect()
    }
}

/// Returns what clap found for the innermost subcommand.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let subcommand = matches.subcommand();
    subcommand.map_or(matches, |(_, matches)| innermost(matches))
}

/// Returns the settings of the command that the command line names.
fn settings_of(command: &Command, matches: &ArgMatches) -> Vec<Arg> {
    let subcommand = matches.subcommand().and_then(|(name, matches)| {
        let command = command.find_subcommand(name)?;
        Some(settings_of(command, matches))
    });
    subcommand.unwrap_or_else(|| {
        // Its own arguments are among them: only settings have a variable or a key in the file.
        command.get_arguments().cloned().collect()
    })
}

/// Replaces the defaults of all subcommands. clap never reads the environment itself: it would take an
/// empty variable for a value.
///
/// The first time there are no values yet. clap then does not parse the settings whose default depends on
/// others: this build may not support the default, and the command line may not name another value.
fn with_defaults(command: Command, values: Option<&Values>) -> Command {
    let command = command.mut_args(|arg| {
        let arg = arg.env(Resettable::Reset);
        match values {
            None if arg.computed_default().is_some() => arg.value_parser(value_parser!(OsString)),
            None => arg,
            Some(values) => match values.0.get(arg.name()) {
                Some((texts, _)) => arg.default_values(texts.clone()),
                None => arg,
            },
        }
    });
    command.mut_subcommands(|command| with_defaults(command, values))
}

fn check_no_secret_is_a_flag(settings: &[Arg], matches: &ArgMatches) -> Result<()> {
    let mut secrets = settings.iter().filter(|arg| arg.is_secret());
    let Some(secret) = secrets.find(|arg| is_flag(arg, matches)) else {
        return Ok(());
    };
    let flag = secret.name().replace('_', "-");
    Err(setup(format!(
        "--{flag} is not an option, because all users of this machine can see the arguments of a \
         process; set {}, or give --{flag}-file",
        secret.variable().unwrap_or_default()
    )))
}

impl Values {
    fn add_environment(
        &mut self,
        settings: &[Arg],
        flags: &ArgMatches,
        environment: &Environment,
    ) -> Result<()> {
        for arg in settings.iter().filter(|arg| !is_flag(arg, flags)) {
            let Some((name, value)) = arg
                .variable()
                .and_then(|env| Some((env, environment.get(env)?)))
            else {
                continue;
            };
            // The message must not repeat the value: it may be a secret.
            let text = value
                .to_str()
                .ok_or_else(|| setup(format!("the environment variable {name} is not UTF-8")))?;
            let texts = if arg.is_list() {
                text.split(',').map(|part| part.trim().to_owned()).collect()
            } else {
                vec![text.to_owned()]
            };
            self.insert(arg, texts, Source::Env(name.to_owned()));
        }
        Ok(())
    }

    fn add_file(&mut self, settings: &[Arg], flags: &ArgMatches) -> Result<()> {
        if settings.iter().all(|arg| arg.name() != "config") {
            return Ok(());
        }
        let Some(path) = self.text("config", flags).map(PathBuf::from) else {
            return Ok(());
        };
        let file = SettingsFile::read(&path)?;
        for arg in settings.iter().filter(|arg| arg.is_in_file()) {
            if !is_flag(arg, flags)
                && !self.0.contains_key(arg.name())
                && let Some(texts) = file.texts(arg)?
            {
                self.insert(arg, texts, Source::File(file.path.clone()));
            }
        }
        Ok(())
    }

    /// Adds the defaults that depend on other settings.
    fn add_computed_defaults(&mut self, settings: &[Arg], flags: &ArgMatches) -> Result<()> {
        if settings.iter().all(|arg| arg.name() != "data_dir") {
            return Ok(());
        }
        let data_dir = self.text("data_dir", flags).unwrap_or_default();
        let data_dir = data_dir
            .to_str()
            .ok_or_else(|| setup("--data-dir is not UTF-8; give a folder with another name"))?;
        // Rows that outlive their blobs would be useless.
        let in_memory = self
            .text("backend", flags)
            .is_some_and(|backend| backend.as_encoded_bytes().starts_with(b"mem:"));
        let has_token = self.0.contains_key("admin_token");
        for arg in settings {
            if self.0.contains_key(arg.name()) || is_flag(arg, flags) {
                continue;
            }
            let texts = match (arg.name(), arg.computed_default()) {
                (_, None) => continue,
                ("database", _) if in_memory => vec!["mem:".to_owned()],
                ("admin_token_file", _) if has_token => vec![],
                (_, Some(inside)) => {
                    let path = Path::new(data_dir).join(inside.trim_start_matches('/'));
                    vec![path.to_string_lossy().into_owned()]
                }
            };
            self.insert(arg, texts, Source::Default);
        }
        Ok(())
    }

    fn insert(&mut self, arg: &Arg, texts: Vec<String>, source: Source) {
        self.0.insert(arg.name().to_owned(), (texts, source));
    }

    /// Returns the setting's first text: a flag's, else one of these, else the default.
    fn text(&self, setting: &str, flags: &ArgMatches) -> Option<OsString> {
        // Commands without a server have no settings.
        let from_clap = || {
            let texts = flags.try_get_raw(setting).ok()??;
            texts.map(OsStr::to_owned).next()
        };
        match self.0.get(setting) {
            Some((texts, _)) if flags.value_source(setting) != Some(ValueSource::CommandLine) => {
                texts.first().map(Into::into)
            }
            _ => from_clap(),
        }
    }

    /// Returns what messages call the setting of this flag.
    fn name_of_flag(&self, flag: &str, settings: &[Arg]) -> String {
        let long = flag.trim_start_matches('-');
        let arg = settings.iter().find(|arg| arg.get_long() == Some(long));
        let value = arg.and_then(|arg| Some((arg.name(), self.0.get(arg.name())?)));
        value.map_or_else(|| flag.to_owned(), |(name, (_, source))| source.name(name))
    }

    fn sources(mut self, settings: &[Arg], matches: &ArgMatches) -> Sources {
        let mut sources = BTreeMap::new();
        for arg in settings {
            let source = match matches.value_source(arg.name()) {
                Some(ValueSource::CommandLine) => {
                    Source::Flag(arg.get_long().unwrap_or_default().to_owned())
                }
                Some(_) => self
                    .0
                    .remove(arg.name())
                    .map_or(Source::Default, |(_, source)| source),
                // An empty list is a value too, but clap has none then.
                None => match self.0.remove(arg.name()) {
                    Some((_, source)) if arg.is_list() => source,
                    _ => continue,
                },
            };
            sources.insert(arg.name().to_owned(), source);
        }
        Sources(sources)
    }
}

fn is_flag(arg: &Arg, matches: &ArgMatches) -> bool {
    matches.value_source(arg.name()) == Some(ValueSource::CommandLine)
}

/// Converts clap's error about a value to one sentence. Returns `None` for other errors. `name` returns
/// the name of a flag's setting in messages.
fn sentence(error: &Error, name: impl Fn(&str) -> String) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    // `--max-uploads <N>`
    let argument = context(ContextKind::InvalidArg)?;
    let name = name(argument.split(' ').next().unwrap_or(argument));
    match error.kind() {
        ErrorKind::ValueValidation => {
            let source = std::error::Error::source(error)?;
            Some(format!("{name} {source}"))
        }
        ErrorKind::InvalidValue => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) if !value.is_empty() => {
                    let (valid, value) = (valid.join(", "), value.escape_debug());
                    Some(format!("{name} must be one of {valid}, not '{value}'"))
                }
                _ => Some(format!("{name} needs a value")),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli;
    use crate::settings::{ListenAddress, ServeSettings};

    fn load_serve(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Loaded> {
        let arguments = ["artifact", "serve"].iter().chain(arguments);
        load(&cli::command(), arguments, &Environment::of(environment))
    }

    fn config(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn flags_precede_the_environment_the_file_and_defaults() {
        let file = config("listen = 'file:1'\nlog = 'debug'\ndrain_timeout = 7\n");
        let path = file.path().to_str().unwrap();
        let loaded = load_serve(
            &["--config", path, "--listen", "flag:1"],
            &[("ARTIFACT_LISTEN", "env:1"), ("ARTIFACT_LOG", "warn")],
        )
        .unwrap();
        let settings: ServeSettings = loaded.settings().unwrap();
        let source = |name| loaded.sources.get(name).unwrap().to_string();
        assert_eq!(settings.listen, ListenAddress::Tcp("flag:1".into()));
        assert_eq!(source("listen"), "flag --listen");
        assert_eq!(settings.log, "warn");
        assert_eq!(source("log"), "environment ARTIFACT_LOG");
        assert_eq!(settings.drain_timeout, Duration::from_secs(7));
        assert_eq!(source("drain_timeout"), format!("file {path}"));
        assert_eq!(settings.header_timeout, Duration::from_secs(30));
        assert_eq!(source("header_timeout"), "default");
    }

    #[test]
    fn empty_variables_count_as_unset_and_lists_are_split_at_commas() {
        let environment = [("ARTIFACT_LISTEN", ""), ("ARTIFACT_EXPERIMENTS", "a, b")];
        let loaded = load_serve(&[], &environment).unwrap();
        assert_eq!(loaded.texts("listen"), ["127.0.0.1:8080"]);
        assert_eq!(loaded.texts("experiments"), ["a", "b"]);
        let loaded = load_serve(&["--experiment", "x", "--experiment", "y"], &environment).unwrap();
        assert_eq!(loaded.texts("experiments"), ["x", "y"]);
    }

    #[test]
    fn paths_in_the_data_folder_follow_it() {
        let loaded = load_serve(&["--data-dir", "/d"], &[]).unwrap();
        let settings: ServeSettings = loaded.settings().unwrap();
        assert_eq!(settings.backend.path(), Some(Path::new("/d/blobs")));
        assert_eq!(settings.database.path(), Some(Path::new("/d/rows.sqlite")));
        let token_file = Some(PathBuf::from("/d/admin-token"));
        assert_eq!(settings.admin_token_file, token_file);
        let loaded = load_serve(&["--backend", "mem:"], &[("ARTIFACT_ADMIN_TOKEN", "t")]).unwrap();
        let settings: ServeSettings = loaded.settings().unwrap();
        assert_eq!(loaded.texts("database"), ["mem:"]);
        assert_eq!(settings.admin_token_file, None);
    }

    #[test]
    fn an_empty_list_in_the_settings_file_is_kept() {
        let file = config("experiments = []\n");
        let loaded = load_serve(&["--config", file.path().to_str().unwrap()], &[]).unwrap();
        let settings: ServeSettings = loaded.settings().unwrap();
        assert_eq!(settings.experiments, []);
        let printed = crate::settings::effective::<ServeSettings>(&loaded);
        assert!(printed.contains("\nexperiments = [] # file "), "{printed}");
    }

    #[test]
    fn a_variable_that_a_flag_overrides_is_not_checked() {
        let environment = [("ARTIFACT_MAX_ARTIFACT_BYTES", "many")];
        let loaded = load_serve(&["--max-artifact-bytes", "1KiB"], &environment).unwrap();
        assert_eq!(loaded.texts("max_artifact_bytes"), ["1KiB"]);
    }

    #[test]
    fn the_debug_output_of_the_settings_has_no_values() {
        let loaded = load_serve(&[], &[("ARTIFACT_ADMIN_TOKEN", "canary")]).unwrap();
        let shown = format!("{loaded:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("admin_token"), "{shown}");
    }

    #[test]
    fn errors_in_a_settings_file_name_the_key() {
        for (text, expected) in [
            (
                "listn = 'x'",
                "has an unknown key listn; did you mean listen?",
            ),
            ("colour = 'x'", "has an unknown key colour"),
            ("x = 1\n[y", "is not valid TOML, line 2"),
            ("listen = 1", "listen in the settings file"),
            ("experiments = [1]", "must be an array of strings"),
            (
                "max_artifact_bytes = true",
                "must be a whole number or a string",
            ),
            (
                "max_artifact_bytes = 'banana'",
                "must be a number of bytes, such as 104857600 or 100MiB, not 'banana'",
            ),
            ("log_format = ''", "log_format in "),
            ("admin_token = 'canary'", "set admin_token_file"),
            (
                "ready_fd = 3",
                "ready_fd cannot be set in the settings file",
            ),
        ] {
            let file = config(text);
            let path = file.path().to_str().unwrap();
            let error = load_serve(&["--config", path], &[]).unwrap_err();
            let sentence = crate::failure::sentence(&error).unwrap();
            assert!(sentence.contains(expected), "{sentence}");
            assert!(
                !sentence.contains("canary") && !sentence.contains('\n'),
                "{sentence}"
            );
            assert_eq!(crate::failure::exit_code(&error), 2);
        }
    }

    #[test]
    fn errors_about_values_name_the_flag_or_variable() {
        let environment = [("ARTIFACT_MAX_ARTIFACT_BYTES", "many")];
        let error = load_serve(&[], &environment).unwrap_err();
        let expected = "ARTIFACT_MAX_ARTIFACT_BYTES must be a number of bytes, such as 104857600 or \
                        100MiB, not 'many'";
        assert_eq!(error.to_string(), expected);
        for (arguments, expected) in [
            (
                ["--drain-timeout", "0"],
                "--drain-timeout must be from 1 to 31536000 seconds, not 0",
            ),
            (["--log-level", ""], "--log-level must not be empty"),
            (
                ["--ready-fd", "x"],
                "--ready-fd must be a whole number, not 'x'",
            ),
            (
                ["--bucket-part-bytes", "1"],
                "--bucket-part-bytes must be from 5MiB to 5GiB",
            ),
        ] {
            let error = load_serve(&arguments, &[]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn errors_about_numbers_of_commands_are_sentences() {
        for (words, expected) in [
            (
                &["quota", "set", "--artifacts", "x"][..],
                "--artifacts must be a whole number, not 'x'",
            ),
            (
                &["quota", "set", "--in-flight", "+1"],
                "--in-flight must be a whole number, not '+1'",
            ),
            (&["gc", "--rate", "x"], "--rate must be a whole number"),
            (&["scrub", "--after", "x"], "--after must be a whole number"),
            (
                &["backup", "--to", "place", "--keep", "0"],
                "--keep must be 1 or more, not 0",
            ),
            (
                &["restore", "--from", "place", "--snapshot", "x"],
                "--snapshot must be a whole number, not 'x'",
            ),
        ] {
            let words = ["artifact"].iter().chain(words);
            let error = load(&cli::command(), words, &Environment::of(&[])).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_as_a_flag_is_rejected_without_repeating_it() {
        let error = load_serve(&["--admin-token", "canary"], &[]).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains("set ARTIFACT_ADMIN_TOKEN, or give --admin-token-file"));
        assert!(!sentence.contains("canary"), "{sentence}");
        assert_eq!(crate::failure::exit_code(&error), 2);
    }
}
