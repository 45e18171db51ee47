//! Every setting, once: the flags, the environment, the settings file, `--print-config` and
//! docs/configuration.md all come from this table.

/// Names a setting in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Config,
    Listen,
    DataDir,
    Backend,
    Database,
    Experiments,
    AdminTokenFile,
    AdminToken,
    MaxArtifactBytes,
    HeaderTimeout,
    DrainTimeout,
    ReadyFd,
    Log,
    Server,
    Experiment,
    CredentialFile,
    Credential,
    StallTimeout,
}

/// The commands that have settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Serve,
    Put,
    Get,
}

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One text.
    Text,
    /// A whole number.
    Number,
    /// A number of bytes, also as `10 MiB`.
    Bytes,
    /// Texts: the flag may repeat, the environment separates them by commas.
    List,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: Key,
    /// Its key in the settings file, and its name in messages.
    pub(crate) name: &'static str,
    /// Its flag, without the dashes.
    pub(crate) flag: Option<&'static str>,
    pub(crate) env: Option<&'static str>,
    /// Whether the settings file may have it.
    pub(crate) in_file: bool,
    pub(crate) kind: Kind,
    /// What stands for its value in the help.
    pub(crate) placeholder: &'static str,
    /// The default, where there is one. What depends on other settings says so in words.
    pub(crate) default: Option<&'static str>,
    /// Never shown, and never a flag: the arguments of a process are public.
    pub(crate) secret: bool,
    pub(crate) commands: &'static [Command],
    pub(crate) doc: &'static str,
}

const SERVE: &[Command] = &[Command::Serve];
const CLIENT: &[Command] = &[Command::Put, Command::Get];
const ALL: &[Command] = &[Command::Serve, Command::Put, Command::Get];

/// Where a default is computed from `data_dir`, its name there.
pub(crate) const BLOBS: &str = "blobs";
pub(crate) const ROWS: &str = "rows.sqlite";
pub(crate) const ADMIN_TOKEN: &str = "admin-token";

/// The table, in the order of the help.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        key: Key::Listen,
        name: "listen",
        flag: Some("listen"),
        env: Some("ARTIFACT_LISTEN"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "HOST:PORT",
        default: Some("127.0.0.1:8080"),
        secret: false,
        commands: SERVE,
        doc: "Address to listen on; port 0 takes any free one and prints which",
    },
    Setting {
        key: Key::DataDir,
        name: "data_dir",
        flag: Some("data-dir"),
        env: Some("ARTIFACT_DATA_DIR"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FOLDER",
        default: Some("./artifact-data"),
        secret: false,
        commands: SERVE,
        doc: "Folder of this server alone, made with mode 0700: its lock, and whatever the next \
              settings do not put elsewhere",
    },
    Setting {
        key: Key::Backend,
        name: "backend",
        flag: Some("backend"),
        env: Some("ARTIFACT_BACKEND"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "URL",
        default: Some("<data_dir>/blobs"),
        secret: false,
        commands: SERVE,
        doc: "Where the blobs are: a folder, as a path or file:///path, or mem: for memory, which \
              is lost at the end",
    },
    Setting {
        key: Key::Database,
        name: "database",
        flag: Some("database"),
        env: Some("ARTIFACT_DATABASE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "URL",
        default: Some("<data_dir>/rows.sqlite"),
        secret: false,
        commands: SERVE,
        doc: "Where the rows are: a SQLite file, as a path or sqlite:///path, or mem: for memory; \
              never inside the folder of the blobs. With --backend mem: the default is mem:",
    },
    Setting {
        key: Key::Experiments,
        name: "experiments",
        flag: Some("experiment"),
        env: Some("ARTIFACT_EXPERIMENTS"),
        in_file: true,
        kind: Kind::List,
        placeholder: "ID",
        default: Some("default"),
        secret: false,
        commands: SERVE,
        doc: "Experiment to create where it is not there yet; the flag may repeat, the environment \
              separates them by commas",
    },
    Setting {
        key: Key::Server,
        name: "server",
        flag: Some("server"),
        env: Some("ARTIFACT_SERVER"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "URL",
        default: Some("http://127.0.0.1:8080"),
        secret: false,
        commands: CLIENT,
        doc: "Address of the server",
    },
    Setting {
        key: Key::Experiment,
        name: "experiment",
        flag: Some("experiment"),
        env: Some("ARTIFACT_EXPERIMENT"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "ID",
        default: Some("default"),
        secret: false,
        commands: CLIENT,
        doc: "Experiment that the artifact belongs to",
    },
    Setting {
        key: Key::CredentialFile,
        name: "credential_file",
        flag: Some("credential-file"),
        env: Some("ARTIFACT_CREDENTIAL_FILE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILE",
        default: None,
        secret: false,
        commands: CLIENT,
        doc: "File with PRINCIPAL:SECRET, which only its owner can read",
    },
    Setting {
        key: Key::Credential,
        name: "credential",
        flag: None,
        env: Some("ARTIFACT_CREDENTIAL"),
        in_file: false,
        kind: Kind::Text,
        placeholder: "PRINCIPAL:SECRET",
        default: None,
        secret: true,
        commands: CLIENT,
        doc: "The credential itself, PRINCIPAL:SECRET",
    },
    Setting {
        key: Key::AdminTokenFile,
        name: "admin_token_file",
        flag: Some("admin-token-file"),
        env: Some("ARTIFACT_ADMIN_TOKEN_FILE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILE",
        default: Some("<data_dir>/admin-token"),
        secret: false,
        commands: ALL,
        doc: "File with the admin token, which only its owner can read. The server generates the \
              default one where it is not there; put and get have no default",
    },
    Setting {
        key: Key::AdminToken,
        name: "admin_token",
        flag: None,
        env: Some("ARTIFACT_ADMIN_TOKEN"),
        in_file: false,
        kind: Kind::Text,
        placeholder: "TOKEN",
        default: None,
        secret: true,
        commands: ALL,
        doc: "The admin token itself, at least 16 characters",
    },
    Setting {
        key: Key::MaxArtifactBytes,
        name: "max_artifact_bytes",
        flag: Some("max-artifact-bytes"),
        env: Some("ARTIFACT_MAX_ARTIFACT_BYTES"),
        in_file: true,
        kind: Kind::Bytes,
        placeholder: "N",
        default: Some("100MiB"),
        secret: false,
        commands: SERVE,
        doc: "Greatest artifact that is taken, in bytes or with KiB, MiB, GiB, TiB; one byte more \
              is refused",
    },
    Setting {
        key: Key::HeaderTimeout,
        name: "header_timeout",
        flag: Some("header-timeout"),
        env: Some("ARTIFACT_HEADER_TIMEOUT"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("30"),
        secret: false,
        commands: SERVE,
        doc: "How long a client may take for the header of a request; idle connections are closed \
              after it too",
    },
    Setting {
        key: Key::DrainTimeout,
        name: "drain_timeout",
        flag: Some("drain-timeout"),
        env: Some("ARTIFACT_DRAIN_TIMEOUT"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("30"),
        secret: false,
        commands: SERVE,
        doc: "How long requests in flight may take to finish after SIGTERM or Ctrl-C; what is then \
              left, or left at a second signal, is cut, and the exit code is 1",
    },
    Setting {
        key: Key::ReadyFd,
        name: "ready_fd",
        flag: Some("ready-fd"),
        env: None,
        in_file: false,
        kind: Kind::Number,
        placeholder: "N",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Open file descriptor (a pipe or a file) that gets the line `listening on URL` too, \
              once the server takes requests",
    },
    Setting {
        key: Key::Log,
        name: "log",
        flag: Some("log-level"),
        env: Some("ARTIFACT_LOG"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILTER",
        default: Some("info"),
        secret: false,
        commands: SERVE,
        doc: "What is logged to standard error: off, error, warn, info, debug, trace, or a filter \
              such as info,artifact_http=debug",
    },
    Setting {
        key: Key::StallTimeout,
        name: "stall_timeout",
        flag: Some("stall-timeout"),
        env: Some("ARTIFACT_STALL_TIMEOUT"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("60"),
        secret: false,
        commands: CLIENT,
        doc: "How long a transfer may stand still, waiting for the server",
    },
    Setting {
        key: Key::Config,
        name: "config",
        flag: Some("config"),
        env: Some("ARTIFACT_CONFIG"),
        in_file: false,
        kind: Kind::Text,
        placeholder: "FILE",
        default: None,
        secret: false,
        commands: ALL,
        doc: "Settings file, in TOML",
    },
];

impl Key {
    /// Its line of the table.
    pub(crate) fn setting(self) -> &'static Setting {
        SETTINGS
            .iter()
            .find(|setting| setting.key == self)
            .expect("a test sees that each key is in the table")
    }
}

impl Setting {
    pub(crate) fn is_of(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// The default for this command, where it is not computed.
    pub(crate) fn fixed_default(&self) -> Option<&'static str> {
        self.default.filter(|text| !text.starts_with('<'))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_in_the_table_once() {
        let keys: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        assert_eq!(keys.len(), SETTINGS.len());
        // `StallTimeout` is the last of the enum; discriminants count from 0.
        assert_eq!(keys.len(), Key::StallTimeout as usize + 1);
    }

    #[test]
    fn names_are_alike_and_a_secret_is_only_in_the_environment() {
        for setting in SETTINGS {
            if let Some(env) = setting.env {
                let name = setting.name.to_uppercase();
                assert_eq!(env, format!("ARTIFACT_{name}"));
            }
            if let Some(flag) = setting.flag {
                let name = setting.name.replace('_', "-");
                assert!(name.starts_with(flag) || flag.starts_with(&name), "{flag}");
            }
            if setting.secret {
                assert!(
                    setting.flag.is_none() && !setting.in_file,
                    "{}",
                    setting.name
                );
                assert!(setting.env.is_some(), "{}", setting.name);
            }
        }
    }
}
