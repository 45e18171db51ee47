//! Every setting, once: the flags, the environment, the settings file, `--print-config` and
//! docs/configuration.md all come from this table.

/// Names a setting in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Config,
    Listen,
    SocketMode,
    TlsCert,
    TlsPrivate,
    PublicUrl,
    DataDir,
    Backend,
    BucketEndpoint,
    BucketRegion,
    BucketAddressing,
    BucketAllowHttp,
    BucketPartBytes,
    BucketParallelParts,
    BucketDeadline,
    BucketProbe,
    Database,
    DatabasePasswordFile,
    DatabasePassword,
    Experiments,
    AdminTokenFile,
    AdminToken,
    MaxArtifactBytes,
    VerifiedCache,
    HeaderTimeout,
    IdleTimeout,
    MinThroughput,
    ThroughputWindow,
    MaxConnections,
    MaxHeaderBytes,
    MaxUploads,
    MaxUploadsPerPrincipal,
    DrainTimeout,
    ReadyFd,
    Log,
    LogFormat,
    Server,
    Experiment,
    CredentialFile,
    Credential,
    Retries,
    StallTimeout,
}

/// The commands that have settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Serve,
    Put,
    Get,
    /// `worker`, `group` and `whoami`: one client and its settings.
    Identity,
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
const CLIENT: &[Command] = &[Command::Put, Command::Get, Command::Identity];
const ALL: &[Command] = &[
    Command::Serve,
    Command::Put,
    Command::Get,
    Command::Identity,
];

/// The one variable that is not named after its setting: other programs read it too.
pub(crate) const PGPASSWORD: &str = "PGPASSWORD";

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
        placeholder: "HOST:PORT|unix:PATH",
        default: Some("127.0.0.1:8080"),
        secret: false,
        commands: SERVE,
        doc: "Address to listen on; port 0 takes any free one and prints which. Or a Unix socket, \
              which is made here, in place of one that nobody listens on",
    },
    Setting {
        key: Key::SocketMode,
        name: "socket_mode",
        flag: Some("socket-mode"),
        env: Some("ARTIFACT_SOCKET_MODE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "MODE",
        default: Some("0600"),
        secret: false,
        commands: SERVE,
        doc: "Mode of the Unix socket, in octal: who can write to it can connect",
    },
    Setting {
        key: Key::TlsCert,
        name: "tls_cert",
        flag: Some("tls-cert"),
        env: Some("ARTIFACT_TLS_CERT"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILE",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Certificate chain in PEM: clients come by https:// then. Read anew at SIGHUP. Needs a build \
              with --features tls",
    },
    Setting {
        key: Key::TlsPrivate,
        name: "tls_key",
        flag: Some("tls-key"),
        env: Some("ARTIFACT_TLS_KEY"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILE",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Private key of the certificate in PEM, which only its owner can read; read anew with it",
    },
    Setting {
        key: Key::PublicUrl,
        name: "public_url",
        flag: Some("public-url"),
        env: Some("ARTIFACT_PUBLIC_URL"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "URL",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "What clients put before the path where a proxy stands in between, such as \
              https://files.example; for the instance of a problem",
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
        doc: "Where the blobs are: a folder, as a path or file:///path; a bucket, as \
              s3://bucket/prefix, gs://bucket/prefix or az://container/prefix (builds with the \
              feature s3, gcs or azure), with credentials from the provider's own variables; or \
              mem: for memory, which is lost at the end",
    },
    Setting {
        key: Key::BucketEndpoint,
        name: "bucket_endpoint",
        flag: Some("bucket-endpoint"),
        env: Some("ARTIFACT_BUCKET_ENDPOINT"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "URL",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Server of the bucket, where it is not the provider's own; plain http:// only on this \
              machine, or with --bucket-allow-http yes. Else as the provider's variables say",
    },
    Setting {
        key: Key::BucketRegion,
        name: "bucket_region",
        flag: Some("bucket-region"),
        env: Some("ARTIFACT_BUCKET_REGION"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "REGION",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Region of a bucket of S3. Else as AWS_REGION says",
    },
    Setting {
        key: Key::BucketAddressing,
        name: "bucket_addressing",
        flag: Some("bucket-addressing"),
        env: Some("ARTIFACT_BUCKET_ADDRESSING"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "STYLE",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "Where requests name a bucket of S3: path (host/bucket) or host (bucket.host, which a \
              given endpoint then includes)",
    },
    Setting {
        key: Key::BucketAllowHttp,
        name: "bucket_allow_http",
        flag: Some("bucket-allow-http"),
        env: Some("ARTIFACT_BUCKET_ALLOW_HTTP"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "YES_OR_NO",
        default: Some("no"),
        secret: false,
        commands: SERVE,
        doc: "Plain http:// to a bucket on another machine, where everybody on the way can read and \
              change the blobs: yes or no",
    },
    Setting {
        key: Key::BucketPartBytes,
        name: "bucket_part_bytes",
        flag: Some("bucket-part-bytes"),
        env: Some("ARTIFACT_BUCKET_PART_BYTES"),
        in_file: true,
        kind: Kind::Bytes,
        placeholder: "BYTES",
        default: Some("8MiB"),
        secret: false,
        commands: SERVE,
        doc: "Size of a part of a large upload to a bucket, from 5MiB to 5GiB; an upload takes 10,000 \
              parts at most, and larger ones where its size is known to need them",
    },
    Setting {
        key: Key::BucketParallelParts,
        name: "bucket_parallel_parts",
        flag: Some("bucket-parallel-parts"),
        env: Some("ARTIFACT_BUCKET_PARALLEL_PARTS"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "N",
        default: Some("4"),
        secret: false,
        commands: SERVE,
        doc: "Parts of one upload, or ranges of one load, that are on their way at once; each is held \
              in memory",
    },
    Setting {
        key: Key::BucketDeadline,
        name: "bucket_deadline",
        flag: Some("bucket-deadline"),
        env: Some("ARTIFACT_BUCKET_DEADLINE"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("30"),
        secret: false,
        commands: SERVE,
        doc: "How long a request to a bucket is tried again before the operation fails",
    },
    Setting {
        key: Key::BucketProbe,
        name: "bucket_probe",
        flag: Some("bucket-probe"),
        env: Some("ARTIFACT_BUCKET_PROBE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "MODE",
        default: Some("refuse"),
        secret: false,
        commands: SERVE,
        doc: "What a start does about a bucket that overwrites what must not change, which is tried with \
              some small objects: refuse to start, warn and use it, or off to try nothing. In a bucket \
              that overwrites, blobs are as safe as random ids are unique, and an upload whose answer \
              got lost may be told as failed",
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
        doc: "Where the rows are: a SQLite file, as a path or sqlite:///path, never inside the folder \
              of the blobs; postgres://user@host/database, which several servers may share (needs a \
              build with --features postgres); or mem: for memory. With --backend mem: the default \
              is mem:",
    },
    Setting {
        key: Key::DatabasePasswordFile,
        name: "database_password_file",
        flag: Some("database-password-file"),
        env: Some("ARTIFACT_DATABASE_PASSWORD_FILE"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "FILE",
        default: None,
        secret: false,
        commands: SERVE,
        doc: "File with the password of the user of a PostgreSQL database, which only its owner can \
              read",
    },
    Setting {
        key: Key::DatabasePassword,
        name: "database_password",
        flag: None,
        env: Some(PGPASSWORD),
        in_file: false,
        kind: Kind::Text,
        placeholder: "PASSWORD",
        default: None,
        secret: true,
        commands: SERVE,
        doc: "That password itself, by the name that PostgreSQL's own programs know",
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
        doc: "Experiment that is meant",
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
              default one where it is not there; its clients have no default",
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
        key: Key::VerifiedCache,
        name: "verified_cache",
        flag: Some("verified-cache"),
        env: Some("ARTIFACT_VERIFIED_CACHE"),
        in_file: true,
        kind: Kind::Bytes,
        placeholder: "N",
        default: Some("64MiB"),
        secret: false,
        commands: SERVE,
        doc: "Memory for artifacts that were fetched lately, already verified, each of up to an eighth of \
              it; they are not read and hashed again while nobody touches their blobs. 0 for none",
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
        doc: "How long a client may take for the header of a request, then 408, and to agree on TLS",
    },
    Setting {
        key: Key::IdleTimeout,
        name: "idle_timeout",
        flag: Some("idle-timeout"),
        env: Some("ARTIFACT_IDLE_TIMEOUT"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("60"),
        secret: false,
        commands: SERVE,
        doc: "How long a connection is kept without a request on it",
    },
    Setting {
        key: Key::MinThroughput,
        name: "min_throughput",
        flag: Some("min-throughput"),
        env: Some("ARTIFACT_MIN_THROUGHPUT"),
        in_file: true,
        kind: Kind::Bytes,
        placeholder: "N",
        default: Some("4KiB"),
        secret: false,
        commands: SERVE,
        doc: "Bytes a second that a client must send of a body, and take of an answer, while it is waited \
              for; 0 for no limit",
    },
    Setting {
        key: Key::ThroughputWindow,
        name: "throughput_window",
        flag: Some("throughput-window"),
        env: Some("ARTIFACT_THROUGHPUT_WINDOW"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "SECONDS",
        default: Some("30"),
        secret: false,
        commands: SERVE,
        doc: "How long a client may pause, or be slower than that by so much in all; a body is then \
              answered 408, and a client that does not take its answer is cut",
    },
    Setting {
        key: Key::MaxConnections,
        name: "max_connections",
        flag: Some("max-connections"),
        env: Some("ARTIFACT_MAX_CONNECTIONS"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "N",
        default: Some("4096"),
        secret: false,
        commands: SERVE,
        doc: "Connections at once. One more ends the one that has been idle for the longest time; where \
              none is, it is answered 503",
    },
    Setting {
        key: Key::MaxHeaderBytes,
        name: "max_header_bytes",
        flag: Some("max-header-bytes"),
        env: Some("ARTIFACT_MAX_HEADER_BYTES"),
        in_file: true,
        kind: Kind::Bytes,
        placeholder: "N",
        default: Some("32KiB"),
        secret: false,
        commands: SERVE,
        doc: "Greatest header of a request, its first line included; one byte more is 431, or 414 where \
              the first line alone is longer. A path and query have at most 8 KiB",
    },
    Setting {
        key: Key::MaxUploads,
        name: "max_uploads",
        flag: Some("max-uploads"),
        env: Some("ARTIFACT_MAX_UPLOADS"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "N",
        default: Some("256"),
        secret: false,
        commands: SERVE,
        doc: "Deposits under way at once; one more is answered 503",
    },
    Setting {
        key: Key::MaxUploadsPerPrincipal,
        name: "max_uploads_per_principal",
        flag: Some("max-uploads-per-principal"),
        env: Some("ARTIFACT_MAX_UPLOADS_PER_PRINCIPAL"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "N",
        default: Some("64"),
        secret: false,
        commands: SERVE,
        doc: "Deposits of one principal under way at once; one more is answered 429",
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
        key: Key::LogFormat,
        name: "log_format",
        flag: Some("log-format"),
        env: Some("ARTIFACT_LOG_FORMAT"),
        in_file: true,
        kind: Kind::Text,
        placeholder: "text|json",
        default: Some("text"),
        secret: false,
        commands: SERVE,
        doc: "How the log is written: for people, or as one JSON object a line",
    },
    Setting {
        key: Key::Retries,
        name: "retries",
        flag: Some("retries"),
        env: Some("ARTIFACT_RETRIES"),
        in_file: true,
        kind: Kind::Number,
        placeholder: "N",
        default: Some("5"),
        secret: false,
        commands: CLIENT,
        doc: "How often in a row what is safe is tried again, or a broken fetch resumed, without a new \
              byte; 0 for never",
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
            if let Some(env) = setting.env.filter(|env| *env != PGPASSWORD) {
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
