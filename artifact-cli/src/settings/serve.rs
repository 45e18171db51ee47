//! The settings of `artifact serve`.

use std::path::PathBuf;
use std::time::Duration;

use artifact_store::{BackendUrl, DatabaseUrl, ExperimentId};
use clap::{ArgAction, Args};
use secrecy::SecretString;

use super::audit::AuditSettings;
use super::receipts::ReceiptSettings;
use super::schedule::ScheduleSettings;
use super::values::{
    Addressing, BucketProbe, ByteSize, ListenAddress, LogFormat, SocketMode, backend, collector,
    count, database, descriptor, experiment_id, header_bytes, log_filter, part_bytes, public_url,
    rate, seconds, seconds_or_never, text, yes_or_no,
};

// The settings of a server, in the order of the help. A default that starts with `<data_dir>` follows
// `data_dir`. This is not a doc comment, because clap would make it the description of the command.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub(crate) struct ServeSettings {
    /// Address to listen on; port 0 takes any free port and prints it. Or the path of a Unix socket
    /// to create; a stale socket at that path is replaced
    #[arg(long, env = "ARTIFACT_LISTEN", value_name = "HOST:PORT|unix:PATH")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) listen: ListenAddress,

    /// Mode of the Unix socket, in octal. Users who can write to the socket can connect
    #[arg(
        long,
        env = "ARTIFACT_SOCKET_MODE",
        value_name = "MODE",
        default_value = "0600"
    )]
    pub(crate) socket_mode: SocketMode,

    /// Certificate chain in PEM; clients then connect by `https://`. Reloaded at SIGHUP
    #[arg(long, env = "ARTIFACT_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM, in a file with the same owner and mode as
    /// --admin-token-file. Reloaded together with the certificate
    #[arg(long, env = "ARTIFACT_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Public URL of the server if it is behind a proxy, such as `https://files.example`. Used for the
    /// `instance` member of error responses, and for the URLs of links
    #[arg(long, env = "ARTIFACT_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<String>,

    /// Let depositors make links that fetch an artifact without a credential: yes or no. With `no`, links that were made
    /// before do not work either
    #[arg(long, env = "ARTIFACT_LINKS", value_name = "YES_OR_NO")]
    #[arg(default_value = "yes", value_parser = yes_or_no, action = ArgAction::Set)]
    pub(crate) links: bool,

    /// Whether browsers get a page at `/ui/`, with which people deposit and find artifacts and the administrator manages
    /// workers: yes or no. The page is public, what is stored is not
    #[arg(long, env = "ARTIFACT_UI", value_name = "YES_OR_NO")]
    #[arg(default_value = "yes", value_parser = yes_or_no, action = ArgAction::Set)]
    pub(crate) ui: bool,

    /// Address at which `/metrics` has the metrics of the server in the text format of Prometheus; or `unix:PATH`. Addresses that
    /// other machines can reach need --metrics-token-file. No metrics if not set
    #[arg(
        long,
        env = "ARTIFACT_METRICS_LISTEN",
        value_name = "HOST:PORT|unix:PATH"
    )]
    pub(crate) metrics_listen: Option<ListenAddress>,

    /// File with a token of at least 16 characters that programs must send as a bearer token to read the metrics, with the same owner
    /// and mode as --admin-token-file. Reloaded at SIGHUP
    #[arg(long, env = "ARTIFACT_METRICS_TOKEN_FILE", value_name = "FILE")]
    pub(crate) metrics_token_file: Option<PathBuf>,

    /// Folder of this server alone, created with mode 0700. It must belong to root or to the user of the
    /// server. It holds the lock file, and everything that other settings do not place elsewhere
    #[arg(long, env = "ARTIFACT_DATA_DIR", value_name = "FOLDER")]
    #[arg(default_value = "./artifact-data")]
    pub(crate) data_dir: PathBuf,

    /// Where the blobs are stored: a folder, as a path or `file:///path`; a folder that packs small blobs into segments, as
    /// `pack:///path`, on Linux and for one process at a time; a bucket, as `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`, with credentials from the provider's own variables; or `mem:` for memory, which is lost at exit
    #[arg(
        long,
        env = "ARTIFACT_BACKEND",
        value_name = "URL",
        default_value = "<data_dir>/blobs"
    )]
    #[arg(value_parser = backend)]
    pub(crate) backend: BackendUrl,

    /// Write the row of each deposit into the segment of its blob, so that both need one flush: yes or no. For a `pack:` backend
    /// with an SQLite database only; it has no effect on others
    #[arg(long, env = "ARTIFACT_ROW_NOTES", value_name = "YES_OR_NO")]
    #[arg(default_value = "yes", value_parser = yes_or_no, action = ArgAction::Set)]
    pub(crate) row_notes: bool,

    /// Server of the bucket, if it is not the provider's own. Plain `http://` is accepted only for this
    /// machine, or with --bucket-allow-http yes. If not set, the provider's own variables apply
    #[arg(long, env = "ARTIFACT_BUCKET_ENDPOINT", value_name = "URL", value_parser = text)]
    pub(crate) bucket_endpoint: Option<String>,

    /// Region of an S3 bucket. If not set, `AWS_REGION` applies
    #[arg(long, env = "ARTIFACT_BUCKET_REGION", value_name = "REGION", value_parser = text)]
    pub(crate) bucket_region: Option<String>,

    /// How requests name an S3 bucket: path (host/bucket) or host (bucket.host; a configured endpoint
    /// must then include the bucket)
    #[arg(long, env = "ARTIFACT_BUCKET_ADDRESSING", value_name = "STYLE")]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) bucket_addressing: Option<Addressing>,

    /// Allow plain `http://` to a bucket on another machine, where everyone on the network path can read
    /// and change the blobs: yes or no
    #[arg(long, env = "ARTIFACT_BUCKET_ALLOW_HTTP", value_name = "YES_OR_NO")]
    #[arg(default_value = "no", value_parser = yes_or_no, action = ArgAction::Set)]
    pub(crate) bucket_allow_http: bool,

    /// Size of one part of a large upload to a bucket, from 5MiB to 5GiB. An upload has at most 10,000
    /// parts; they are larger if the known size of the blob needs it
    #[arg(
        long,
        env = "ARTIFACT_BUCKET_PART_BYTES",
        value_name = "BYTES",
        default_value = "8MiB"
    )]
    #[arg(value_parser = part_bytes)]
    pub(crate) bucket_part_bytes: ByteSize,

    /// Parts of one upload, or ranges of one download, that are transferred at the same time. Each is
    /// held in memory
    #[arg(
        long,
        env = "ARTIFACT_BUCKET_PARALLEL_PARTS",
        value_name = "N",
        default_value = "4"
    )]
    #[arg(value_parser = count)]
    pub(crate) bucket_parallel_parts: usize,

    /// How long a failing request to a bucket is retried before the operation fails
    #[arg(
        long,
        env = "ARTIFACT_BUCKET_DEADLINE",
        value_name = "SECONDS",
        default_value = "30"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) bucket_deadline: Duration,

    /// What to do at the start if the bucket overwrites existing objects, which a few small objects test:
    /// refuse to start, warn and use it, or off to skip the test. In a bucket that overwrites, only the
    /// uniqueness of random ids protects blobs, and an upload whose response was lost may be reported as
    /// failed
    #[arg(
        long,
        env = "ARTIFACT_BUCKET_PROBE",
        value_name = "MODE",
        default_value = "refuse"
    )]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) bucket_probe: BucketProbe,

    /// Where the rows are stored: an SQLite file, as a path or `sqlite:///path`, outside the folder of the
    /// blobs; `postgres://user@host/database`, which several servers may share, over TLS with
    /// `?sslmode=verify-full` and perhaps `&sslrootcert=/path/ca.pem`; or `mem:` for memory. With --backend mem: the
    /// default is `mem:`
    #[arg(long, env = "ARTIFACT_DATABASE", value_name = "URL", value_parser = database)]
    #[arg(default_value = "<data_dir>/rows.sqlite")]
    pub(crate) database: DatabaseUrl,

    /// Serve this database with this backend although they do not belong together: the other half of one
    /// of them is lost, or it is the half of another store. Give it once; later starts accept the two. It
    /// deletes nothing, but artifacts without a row or without a blob cannot be fetched
    #[arg(long)]
    pub(crate) adopt: bool,

    /// File with the password of the PostgreSQL user, with the same owner and mode as --admin-token-file
    #[arg(long, env = "ARTIFACT_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) database_password_file: Option<PathBuf>,

    /// The password of the PostgreSQL user itself; PostgreSQL's own programs use the same variable
    #[arg(long, env = "PGPASSWORD", hide = true)]
    pub(crate) database_password: Option<SecretString>,

    /// How long the start waits for a PostgreSQL server that cannot be reached yet, for example because both start with the
    /// machine; 0 tries once. After that the server ends with code 1
    #[arg(
        long,
        env = "ARTIFACT_DATABASE_WAIT",
        value_name = "SECONDS",
        default_value = "30"
    )]
    #[arg(value_parser = seconds_or_never)]
    pub(crate) database_wait: Duration,

    /// Experiment to create if it does not exist. The flag may repeat; the environment variable separates
    /// ids by commas
    #[arg(long = "experiment", env = "ARTIFACT_EXPERIMENTS", value_name = "ID")]
    #[arg(default_value = "default", value_parser = experiment_id)]
    pub(crate) experiments: Vec<ExperimentId>,

    /// File with the admin token. It must belong to root or to the user of the server, and others must not
    /// be able to read it; a group may. The server generates a token into the default file if that does not
    /// exist and the database records no token, which all its servers share. Reloaded at SIGHUP
    #[arg(long, env = "ARTIFACT_ADMIN_TOKEN_FILE", value_name = "FILE")]
    #[arg(default_value = "<data_dir>/admin-token")]
    pub(crate) admin_token_file: Option<PathBuf>,

    /// The admin token itself, at least 16 characters
    #[arg(long, env = "ARTIFACT_ADMIN_TOKEN", hide = true)]
    pub(crate) admin_token: Option<SecretString>,

    /// File with the old admin token, a space, and the time until which it is accepted beside the token of --admin-token-file,
    /// such as 2026-12-01T12:00:00Z, with the same owner and mode. It may be missing or empty. Not for a token that the database
    /// records, see artifact rotate-admin-token. Reloaded at SIGHUP
    #[arg(long, env = "ARTIFACT_OLD_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) old_admin_token_file: Option<PathBuf>,

    /// The old admin token itself, a space, and the time until which it is accepted
    #[arg(long, env = "ARTIFACT_OLD_ADMIN_TOKEN", hide = true)]
    pub(crate) old_admin_token: Option<SecretString>,

    /// Maximum size of an artifact, in bytes or with KiB, MiB, GiB, TiB. Larger deposits are rejected
    #[arg(
        long,
        env = "ARTIFACT_MAX_ARTIFACT_BYTES",
        value_name = "N",
        default_value = "100MiB"
    )]
    pub(crate) max_artifact_bytes: ByteSize,

    /// Minimum of free space, in bytes or with KiB, MiB, GiB, TiB, of the file systems of the folder of the blobs and of the SQLite
    /// file. Below it, deposits and uploads are answered 507 and `/readyz` is 503; reads and deletes go on. 0 turns it off
    #[arg(
        long,
        env = "ARTIFACT_MIN_FREE_SPACE",
        value_name = "N",
        default_value = "0"
    )]
    pub(crate) min_free_space: ByteSize,

    /// Memory for recently fetched artifacts that are already verified, each of at most an eighth of it.
    /// They are not read and hashed again until their blob's file changes. 0 turns the cache off
    #[arg(
        long,
        env = "ARTIFACT_VERIFIED_CACHE",
        value_name = "N",
        default_value = "64MiB"
    )]
    pub(crate) verified_cache: ByteSize,

    /// Time-out for the header of a request, which is then answered 408, and for the TLS handshake
    #[arg(
        long,
        env = "ARTIFACT_HEADER_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) header_timeout: Duration,

    /// How long a connection without a request is kept open
    #[arg(
        long,
        env = "ARTIFACT_IDLE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "60"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) idle_timeout: Duration,

    /// Minimum throughput in bytes per second, for sending a request body and for receiving a response.
    /// 0 turns the limit off
    #[arg(
        long,
        env = "ARTIFACT_MIN_THROUGHPUT",
        value_name = "N",
        default_value = "4KiB"
    )]
    pub(crate) min_throughput: ByteSize,

    /// How long a client may pause, or stay below the minimum throughput, in total. After that a request
    /// body is answered 408, and a client that does not receive its response is disconnected
    #[arg(
        long,
        env = "ARTIFACT_THROUGHPUT_WINDOW",
        value_name = "SECONDS",
        default_value = "30"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) throughput_window: Duration,

    /// Maximum number of connections. At the limit, a new connection closes the one that has been idle
    /// longest; if every connection is busy, the new one is answered 503
    #[arg(
        long,
        env = "ARTIFACT_MAX_CONNECTIONS",
        value_name = "N",
        default_value = "4096"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_connections: usize,

    /// Maximum size of a request header including its first line. A larger header is answered 431, or 414
    /// if the first line alone is larger. Path and query together have at most 8 KiB
    #[arg(
        long,
        env = "ARTIFACT_MAX_HEADER_BYTES",
        value_name = "N",
        default_value = "32KiB"
    )]
    #[arg(value_parser = header_bytes)]
    pub(crate) max_header_bytes: ByteSize,

    /// Maximum number of deposits in progress; further deposits are answered 503
    #[arg(
        long,
        env = "ARTIFACT_MAX_UPLOADS",
        value_name = "N",
        default_value = "256"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_uploads: usize,

    /// Maximum number of deposits in progress per principal; further deposits are answered 429
    #[arg(
        long,
        env = "ARTIFACT_MAX_UPLOADS_PER_PRINCIPAL",
        value_name = "N",
        default_value = "64"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_uploads_per_principal: usize,

    /// How long a resumable upload is kept after its last append; at most 30 days
    #[arg(
        long,
        env = "ARTIFACT_UPLOAD_EXPIRY",
        value_name = "SECONDS",
        default_value = "86400"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) upload_expiry: Duration,

    /// Maximum number of open resumable uploads per principal in an experiment; further ones are answered 429
    #[arg(
        long,
        env = "ARTIFACT_MAX_OPEN_UPLOADS",
        value_name = "N",
        default_value = "100"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_open_uploads: usize,

    /// Maximum number of fetches in progress; further fetches are answered 503. A client that reads slowly
    /// costs up to 64KiB beside --fetch-memory (with TLS 160KiB): 4096 of them up to 256MiB
    #[arg(
        long,
        env = "ARTIFACT_MAX_FETCHES",
        value_name = "N",
        default_value = "4096"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_fetches: usize,

    /// Maximum number of fetches in progress per principal; further fetches are answered 429
    #[arg(
        long,
        env = "ARTIFACT_MAX_FETCHES_PER_PRINCIPAL",
        value_name = "N",
        default_value = "1024"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_fetches_per_principal: usize,

    /// Memory for the pieces of more than 16KiB of all fetches in progress. A piece is as large as what its
    /// client takes in 50 milliseconds, up to 512KiB. When this memory is used up, all pieces have 16KiB. It
    /// applies to blobs in a folder; a bucket delivers pieces of up to 1MiB
    #[arg(
        long,
        env = "ARTIFACT_FETCH_MEMORY",
        value_name = "N",
        default_value = "64MiB"
    )]
    pub(crate) fetch_memory: ByteSize,

    /// Maximum number of lists of workers or groups in progress, each with up to 1 MiB in memory; further lists
    /// are answered 503. A group with more than 1,024 members counts as a list
    #[arg(
        long,
        env = "ARTIFACT_MAX_LISTS",
        value_name = "N",
        default_value = "64"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_lists: usize,

    /// Maximum number of lists in progress per principal; further lists are answered 429
    #[arg(
        long,
        env = "ARTIFACT_MAX_LISTS_PER_PRINCIPAL",
        value_name = "N",
        default_value = "16"
    )]
    #[arg(value_parser = count)]
    pub(crate) max_lists_per_principal: usize,

    /// Requests per second that each principal may send for long; further requests are answered 429 with Retry-After. Each
    /// server counts its own. Unlimited if not set
    #[arg(
        long,
        env = "ARTIFACT_REQUEST_RATE",
        value_name = "N",
        value_parser = rate
    )]
    pub(crate) request_rate: Option<u32>,

    /// Requests that a principal may send at once after a pause, if --request-rate is set; by default as many as in ten
    /// seconds
    #[arg(
        long,
        env = "ARTIFACT_REQUEST_BURST",
        value_name = "N",
        value_parser = rate
    )]
    pub(crate) request_burst: Option<u32>,

    /// How long a deposit may wait for the backend and the database: with each piece of its body, and in total
    /// after its last byte. Beyond that it is answered 503. Clients must wait longer; `artifact put` waits 120
    #[arg(
        long,
        env = "ARTIFACT_COMMIT_TIMEOUT",
        value_name = "SECONDS",
        default_value = "90"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) commit_timeout: Duration,

    /// How long requests in flight may take to finish after SIGTERM or Ctrl-C. Requests that are still
    /// unfinished then, or at a second signal, are aborted, and the exit code is 1. Connections without a
    /// request in flight close at once
    #[arg(
        long,
        env = "ARTIFACT_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) drain_timeout: Duration,

    /// How long the server goes on accepting connections after SIGTERM or Ctrl-C, while `/readyz` is 503, so that load balancers
    /// stop sending requests before connections are refused. After that the time of --drain-timeout begins. A second signal ends
    /// both
    #[arg(
        long,
        env = "ARTIFACT_DRAIN_DELAY",
        value_name = "SECONDS",
        default_value = "0"
    )]
    #[arg(value_parser = seconds_or_never)]
    pub(crate) drain_delay: Duration,

    #[command(flatten)]
    pub(crate) schedule: ScheduleSettings,

    #[command(flatten)]
    pub(crate) audit: AuditSettings,

    #[command(flatten)]
    pub(crate) receipts: ReceiptSettings,

    /// Open file descriptor (a pipe or a file) that also gets the line `listening on URL` once the server
    /// accepts requests
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub(crate) ready_fd: Option<u32>,

    /// What is logged to standard error: off, error, warn, info, debug, trace, or a filter such as
    /// `info,artifact_http=debug`. No request waits for the log. At most 2 MiB of it wait in memory; lines beyond that,
    /// and lines that cannot be written, are lost, and a later line says how many. Reloaded at SIGHUP
    #[arg(
        long = "log-level",
        env = "ARTIFACT_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    #[arg(value_parser = log_filter)]
    pub(crate) log: String,

    /// Format of the log: text for people, or json for one JSON object per line
    #[arg(
        long,
        env = "ARTIFACT_LOG_FORMAT",
        value_name = "text|json",
        default_value = "text"
    )]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) log_format: LogFormat,

    /// Address of a collector of OpenTelemetry, such as `http://127.0.0.1:4318`, that gets the spans of requests by OTLP over HTTP.
    /// Needs a build with the feature otel. The other variables of OpenTelemetry count too
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub(crate) otlp_endpoint: Option<String>,

    /// Settings file, in TOML
    #[arg(long, env = "ARTIFACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
