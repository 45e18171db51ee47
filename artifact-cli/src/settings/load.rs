//! Gathers the settings of one command from everywhere they may stand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::ArgMatches;
use clap::parser::ValueSource;

use super::environment::Environment;
use super::nearest::nearest;
use super::registry::{ADMIN_TOKEN, BLOBS, Command, Key, Kind, ROWS, SETTINGS, Setting};
use super::value::{Source, Value, parse_bytes};
use crate::failure::{setup, setup_from};
use crate::files;

/// The settings of one command, as they stand.
#[derive(Debug)]
pub(crate) struct Loaded {
    values: BTreeMap<Key, Value>,
}

/// Gathers the settings: flags over the environment over the settings file over defaults.
pub(crate) fn load(
    command: Command,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Loaded> {
    let mut values = BTreeMap::new();
    let config = given(Key::Config.setting(), matches, environment)?;
    let file = match &config {
        Some(value) => Some(SettingsFile::read(Path::new(&value.texts[0]))?),
        None => None,
    };
    for setting in SETTINGS.iter().filter(|setting| setting.is_of(command)) {
        let mut value = given(setting, matches, environment)?;
        if value.is_none()
            && let Some(file) = &file
        {
            value = file.value(setting)?;
        }
        let default = || {
            setting.fixed_default().map(|text| Value {
                texts: vec![text.to_owned()],
                source: Source::Default,
            })
        };
        if let Some(value) = value.or_else(default) {
            values.insert(setting.key, value);
        }
    }
    let mut loaded = Loaded { values };
    if command == Command::Serve {
        loaded.fill_computed_defaults();
    }
    Ok(loaded)
}

/// What a flag says, or the environment.
fn given(
    setting: &'static Setting,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<Value>> {
    if let Some(flag) = setting.flag
        && matches.value_source(setting.name) == Some(ValueSource::CommandLine)
    {
        let texts = matches.get_many::<String>(setting.name);
        return Ok(Some(Value {
            texts: texts.into_iter().flatten().cloned().collect(),
            source: Source::Flag(flag),
        }));
    }
    let Some((name, text)) = setting
        .env
        .and_then(|env| Some((env, environment.get(env)?)))
    else {
        return Ok(None);
    };
    // The message must not repeat the value: it may be a secret.
    let text = text
        .to_str()
        .ok_or_else(|| setup(format!("the environment variable {name} is not UTF-8")))?;
    let texts = match setting.kind {
        Kind::List => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Kind::Text | Kind::Number | Kind::Bytes => vec![text.to_owned()],
    };
    Ok(Some(Value {
        texts,
        source: Source::Env(name),
    }))
}

/// A settings file, of which every key is known.
struct SettingsFile {
    path: PathBuf,
    table: toml::Table,
}

impl SettingsFile {
    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = files::read_small(path)
            .map_err(|error| setup_from(error, format!("cannot read the settings file {shown}")))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error
                .span()
                .map_or("", |span| &text[..span.start.min(text.len())]);
            let line = before.matches('\n').count() + 1;
            let what = error.message().lines().next().unwrap_or_default();
            setup(format!(
                "the settings file {shown} is not TOML, line {line}: {what}"
            ))
        })?;
        for key in table.keys() {
            check_key(key, path)?;
        }
        let path = path.to_owned();
        Ok(Self { path, table })
    }

    fn value(&self, setting: &Setting) -> Result<Option<Value>> {
        let Some(value) = self.table.get(setting.name) else {
            return Ok(None);
        };
        let texts = match (setting.kind, value) {
            (_, toml::Value::String(text)) => Some(vec![text.clone()]),
            (Kind::Number | Kind::Bytes, toml::Value::Integer(number)) => {
                Some(vec![number.to_string()])
            }
            (Kind::List, toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(ToOwned::to_owned))
                .collect(),
            _ => None,
        };
        let texts = texts.ok_or_else(|| {
            let wanted = match setting.kind {
                Kind::Text => "a string",
                Kind::Number => "a whole number",
                Kind::Bytes => "a whole number or a string such as \"100MiB\"",
                Kind::List => "an array of strings",
            };
            let (name, path) = (setting.name, self.path.display());
            setup(format!(
                "{name} in the settings file {path} must be {wanted}"
            ))
        })?;
        let source = Source::File(self.path.clone());
        Ok(Some(Value { texts, source }))
    }
}

fn check_key(key: &str, path: &Path) -> Result<()> {
    let setting = SETTINGS.iter().find(|setting| setting.name == key);
    let path = path.display();
    match setting {
        Some(setting) if setting.in_file => Ok(()),
        Some(setting) if setting.secret => Err(setup(format!(
            "{key} is a secret and does not belong in the settings file {path}; put it into a file \
             of mode 0600 and set {key}_file",
            key = match setting.key {
                Key::Credential => "credential",
                Key::DatabasePassword => "database_password",
                _ => "admin_token",
            },
        ))),
        Some(_) => Err(setup(format!(
            "{key} cannot be set in the settings file {path}"
        ))),
        None => {
            let names = SETTINGS.iter().filter(|setting| setting.in_file);
            let near = nearest(key, names.map(|setting| setting.name));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            let key = key.escape_debug();
            Err(setup(format!(
                "the settings file {path} has an unknown key {key}{hint}"
            )))
        }
    }
}

impl Loaded {
    /// What depends on `data_dir`, and on one another.
    fn fill_computed_defaults(&mut self) {
        let data_dir = self.path(Key::DataDir);
        let mut default = |key, text: String| {
            self.values.entry(key).or_insert(Value {
                texts: vec![text],
                source: Source::Default,
            });
        };
        let inside = |name: &str| data_dir.join(name).to_string_lossy().into_owned();
        default(Key::Backend, inside(BLOBS));
        // Rows that outlive their blobs would be good for nothing.
        let in_memory = self.text(Key::Backend).starts_with("mem:");
        let rows = if in_memory {
            "mem:".to_owned()
        } else {
            inside(ROWS)
        };
        self.values.entry(Key::Database).or_insert(Value {
            texts: vec![rows],
            source: Source::Default,
        });
        if !self.values.contains_key(&Key::AdminToken) {
            let file = inside(ADMIN_TOKEN);
            self.values.entry(Key::AdminTokenFile).or_insert(Value {
                texts: vec![file],
                source: Source::Default,
            });
        }
    }

    pub(crate) fn value(&self, key: Key) -> Option<&Value> {
        self.values.get(&key)
    }

    /// A setting that has a default.
    pub(crate) fn text(&self, key: Key) -> &str {
        let value = self.value(key).and_then(|value| value.texts.first());
        value.map_or("", String::as_str)
    }

    pub(crate) fn list(&self, key: Key) -> &[String] {
        self.value(key).map_or(&[], |value| &value.texts)
    }

    pub(crate) fn path(&self, key: Key) -> PathBuf {
        PathBuf::from(self.text(key))
    }

    /// How a setting is called where it was set, for messages: `--listen`, `ARTIFACT_LISTEN`.
    pub(crate) fn called(&self, key: Key) -> String {
        let name = key.setting().name;
        match self.value(key).map(|value| &value.source) {
            Some(Source::Flag(flag)) => format!("--{flag}"),
            Some(Source::Env(env)) => (*env).to_owned(),
            Some(Source::File(path)) => format!("{name} in {}", path.display()),
            Some(Source::Default) | None => name.to_owned(),
        }
    }

    pub(crate) fn number(&self, key: Key) -> Result<Option<u64>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let (parsed, wanted) = match key.setting().kind {
            Kind::Bytes => (
                parse_bytes(&value.texts[0]),
                "a number of bytes, such as 104857600 or 100MiB",
            ),
            _ => (value.texts[0].parse().ok(), "a whole number"),
        };
        let number = parsed.ok_or_else(|| {
            let (name, text) = (self.called(key), value.texts[0].escape_debug());
            setup(format!("{name} must be {wanted}, not '{text}'"))
        })?;
        Ok(Some(number))
    }

    /// A number of things of which there must be one at least.
    pub(crate) fn count(&self, key: Key) -> Result<usize> {
        let number = self.number(key)?.unwrap_or_default();
        let count = usize::try_from(number).ok().filter(|count| *count > 0);
        count.ok_or_else(|| {
            let name = self.called(key);
            setup(format!("{name} must be 1 or more, not {number}"))
        })
    }

    /// A time in whole seconds, at least 1 and at most a year.
    pub(crate) fn seconds(&self, key: Key) -> Result<Duration> {
        let seconds = self.number(key)?.unwrap_or_default();
        if (1..=31_536_000).contains(&seconds) {
            Ok(Duration::from_secs(seconds))
        } else {
            let name = self.called(key);
            Err(setup(format!(
                "{name} must be from 1 to 31536000 seconds, not {seconds}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn load_serve(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Loaded> {
        let arguments = ["artifact", "serve"].iter().chain(arguments);
        let matches = cli::command().try_get_matches_from(arguments).unwrap();
        let serve = matches.subcommand_matches("serve").unwrap();
        load(Command::Serve, serve, &Environment::of(environment))
    }

    fn config(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn flags_go_over_the_environment_over_the_file_over_defaults() {
        let file = config("listen = 'file:1'\nlog = 'file'\ndrain_timeout = 7\n");
        let path = file.path().to_str().unwrap();
        let loaded = load_serve(
            &["--config", path, "--listen", "flag:1"],
            &[("ARTIFACT_LISTEN", "env:1"), ("ARTIFACT_LOG", "env")],
        )
        .unwrap();
        let source = |key| loaded.value(key).unwrap().source.to_string();
        assert_eq!(loaded.text(Key::Listen), "flag:1");
        assert_eq!(source(Key::Listen), "flag --listen");
        assert_eq!(loaded.text(Key::Log), "env");
        assert_eq!(source(Key::Log), "environment ARTIFACT_LOG");
        assert_eq!(
            loaded.seconds(Key::DrainTimeout).unwrap(),
            Duration::from_secs(7)
        );
        assert_eq!(source(Key::DrainTimeout), format!("file {path}"));
        assert_eq!(loaded.text(Key::HeaderTimeout), "30");
        assert_eq!(source(Key::HeaderTimeout), "default");
    }

    #[test]
    fn an_empty_variable_is_none_and_a_list_is_split_at_commas() {
        let environment = [("ARTIFACT_LISTEN", ""), ("ARTIFACT_EXPERIMENTS", "a, b")];
        let loaded = load_serve(&[], &environment).unwrap();
        assert_eq!(loaded.text(Key::Listen), "127.0.0.1:8080");
        assert_eq!(loaded.list(Key::Experiments), ["a", "b"]);
        let loaded = load_serve(&["--experiment", "x", "--experiment", "y"], &environment).unwrap();
        assert_eq!(loaded.list(Key::Experiments), ["x", "y"]);
    }

    #[test]
    fn what_lies_in_the_data_folder_follows_it() {
        let loaded = load_serve(&["--data-dir", "/d"], &[]).unwrap();
        assert_eq!(loaded.text(Key::Backend), "/d/blobs");
        assert_eq!(loaded.text(Key::Database), "/d/rows.sqlite");
        assert_eq!(loaded.text(Key::AdminTokenFile), "/d/admin-token");
        let loaded = load_serve(&["--backend", "mem:"], &[("ARTIFACT_ADMIN_TOKEN", "t")]).unwrap();
        assert_eq!(loaded.text(Key::Database), "mem:");
        assert_eq!(loaded.value(Key::AdminTokenFile), None);
    }

    #[test]
    fn what_is_wrong_in_a_settings_file_is_named() {
        for (text, said) in [
            (
                "listn = 'x'",
                "has an unknown key listn; did you mean listen?",
            ),
            ("colour = 'x'", "has an unknown key colour"),
            ("x = 1\n[y", "is not TOML, line 2"),
            ("listen = 1", "listen in the settings file"),
            ("experiments = [1]", "must be an array of strings"),
            (
                "max_artifact_bytes = true",
                "must be a whole number or a string",
            ),
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
            assert!(sentence.contains(said), "{sentence}");
            assert!(
                !sentence.contains("canary") && !sentence.contains('\n'),
                "{sentence}"
            );
            assert_eq!(crate::failure::exit_code(&error), 2);
        }
    }

    #[test]
    fn a_number_that_is_none_is_named_after_where_it_stands() {
        let environment = [("ARTIFACT_MAX_ARTIFACT_BYTES", "many")];
        let loaded = load_serve(&["--drain-timeout", "0"], &environment).unwrap();
        let error = loaded.number(Key::MaxArtifactBytes).unwrap_err();
        let said = "ARTIFACT_MAX_ARTIFACT_BYTES must be a number of bytes, such as 104857600 or \
                    100MiB, not 'many'";
        assert_eq!(error.to_string(), said);
        let error = loaded.seconds(Key::DrainTimeout).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--drain-timeout must be from 1 to 31536000 seconds, not 0"
        );
    }

    #[test]
    fn a_strange_variable_is_pointed_at() {
        let environment = [
            ("ARTIFACT_LISTN", "x"),
            ("ARTIFACT_LOG", "x"),
            ("NO_COLOR", "1"),
        ];
        let strangers = Environment::of(&environment).strangers();
        let said = "the environment variable ARTIFACT_LISTN is no setting; did you mean \
                    ARTIFACT_LISTEN?";
        assert_eq!(strangers, [said]);
    }
}
