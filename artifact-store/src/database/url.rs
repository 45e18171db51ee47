//! The URL of a database.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use artifact_open::location::{self, Location, Problem};
use tokio::time::{Instant, sleep};

#[cfg(feature = "postgres")]
use super::postgres::{Password, PostgresDatabase, Target as Postgres};
use super::{Database, DatabaseReport, MemoryDatabase};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The pause between two attempts to open a database that cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// A parsed URL or path of a database. Parsing has no side effects; [`open`](Self::open) has.
///
/// | text | database | feature |
/// |---|---|---|
/// | `sqlite:///srv/rows.sqlite` | an SQLite file, percent-encoded | `sqlite` |
/// | `/srv/rows.sqlite`, `./rows.sqlite` | an SQLite file, not decoded; a relative path is resolved against the current folder during parsing | `sqlite` |
/// | `postgres://user@host:5432/database` | a database of a PostgreSQL server; parts are percent-encoded, `user` and port are optional | `postgres` |
/// | `postgres://user@/database?host=/run/postgresql` | the same through a Unix socket, named by its folder; `%2Frun%2Fpostgresql` as the host means the same | `postgres` |
/// | `postgres://user@one:5432,two:5432/database` | the first of these servers that accepts writes, for example after a failover | `postgres` |
/// | `postgres://user@host/database?sslmode=verify-full` | the same over TLS; see below | `postgres-tls` |
/// | `mem:` | memory, lost when the process ends | |
///
/// `sslmode` in the query of a PostgreSQL URL, and what libpq calls the mode
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>):
///
/// | `sslmode` | connection |
/// |---|---|
/// | `disable` (the default) | without TLS |
/// | `prefer` | over TLS if the server offers it, otherwise without, so that an attacker on the network can turn it off |
/// | `verify-full`, `require` | over TLS; a server without TLS is refused |
///
/// Wherever TLS is used, also with `prefer` and `require`, the server is verified, which is stricter than
/// libpq: its certificate must be valid now, be for TLS servers, chain to a trusted CA, and have the
/// host of the URL among its names (as a DNS name, or as an IP address if the URL has an address). TLS is
/// 1.2 or 1.3. `sslrootcert=/path/ca.pem` names a PEM file with the CAs to trust, and no others; it is
/// read when the database opens. Without it, or with `sslrootcert=system`, those of the platform are
/// trusted. Revocation is checked only where the platform does so. Cancel requests use the same mode. If
/// the password is checked with SCRAM, it is bound to the certificate. A Unix socket has no TLS.
/// Certificates of clients need `PostgresOptions::with_tls_config`.
///
/// Other texts are rejected with a message that says what to write instead. No error repeats any part
/// of the text except its scheme.
///
/// A URL must not contain a password; set it with [`with_password`](Self::with_password).
///
/// `Display` writes a text that parses to an equal value, apart from the password, which it never shows.
/// The exception is a relative path whose current folder has a name that is not UTF-8, or that has a
/// control character in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    target: Target,
    #[cfg(feature = "postgres")]
    password: Option<Password>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    File(PathBuf),
    Memory,
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl DatabaseUrl {
    /// Parses a URL or a bare path.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the text names no database; `Unsupported` if it names one that this build
    /// or this version cannot use.
    pub fn parse(text: &str) -> Result<Self> {
        let file = |path| file_path(path, text).map(Target::File);
        let target = match Location::parse(text).map_err(misconfigured)? {
            Location::Path(path) => file(path).map_err(misconfigured)?,
            Location::Url { scheme, rest } => match scheme.as_str() {
                "sqlite" => location::url_path(rest)
                    .and_then(file)
                    .map_err(misconfigured)?,
                "mem" if rest.is_empty() => Target::Memory,
                #[cfg(feature = "postgres")]
                "postgres" | "postgresql" => Postgres::parse(rest)
                    .map(Target::Postgres)
                    .map_err(misconfigured)?,
                _ if location::holds_credentials(rest) => {
                    return Err(misconfigured(location::CREDENTIALS));
                }
                "mem" => return Err(misconfigured("nothing may follow the colon of mem:")),
                #[cfg(not(feature = "postgres"))]
                "postgres" | "postgresql" => {
                    return Err(unsupported(
                        "this build cannot use PostgreSQL: it was compiled without the feature \
                         `postgres`",
                    ));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; use sqlite:, postgres: or mem:, or a path \
                         alone for an SQLite file"
                    );
                    return Err(misconfigured(detail));
                }
            },
        };
        match target {
            Target::File(_) if !cfg!(feature = "sqlite") => Err(unsupported(
                "this build cannot use an SQLite file: it was compiled without the feature `sqlite`",
            )),
            #[cfg(feature = "postgres")]
            Target::Postgres(postgres)
                if postgres.may_use_tls() && !cfg!(feature = "postgres-tls") =>
            {
                Err(unsupported(
                    "this build has no TLS to the database: it was compiled without the feature \
                     `postgres-tls`; on a private network, write sslmode=disable",
                ))
            }
            target => Ok(Self {
                target,
                #[cfg(feature = "postgres")]
                password: None,
            }),
        }
    }

    /// Sets the password of the user. It is never printed. Only PostgreSQL uses it.
    #[must_use = "returns the changed URL"]
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_mut, reason = "no database of this build uses a password")
    )]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        let password = password.into();
        #[cfg(feature = "postgres")]
        {
            self.password = Some(Password::new(password));
        }
        #[cfg(not(feature = "postgres"))]
        drop(password);
        self
    }

    /// Returns whether the data outlives this process.
    pub fn outlives_the_process(&self) -> bool {
        self.target != Target::Memory
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(&self) -> Option<(&Postgres, Option<&Password>)> {
        match &self.target {
            Target::Postgres(target) => Some((target, self.password.as_ref())),
            Target::File(_) | Target::Memory => None,
        }
    }

    /// Returns the absolute path of the file, if this is a file. `..` in it is not resolved.
    pub fn path(&self) -> Option<&Path> {
        if let Target::File(path) = &self.target {
            Some(path)
        } else {
            None
        }
    }

    /// Opens the database, and creates its file or schema if necessary.
    ///
    /// # Errors
    ///
    /// As `SqliteDatabase::open` and `PostgresDatabase::open`.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(
            clippy::unused_async,
            reason = "opening a database in memory does not wait"
        )
    )]
    pub async fn open(&self) -> Result<Database> {
        match &self.target {
            Target::Memory => Ok(Database::new(MemoryDatabase::new())),
            #[cfg(feature = "postgres")]
            Target::Postgres(_) => Ok(Database::new(PostgresDatabase::open(self).await?)),
            #[cfg(feature = "sqlite")]
            Target::File(path) => Ok(Database::new(super::SqliteDatabase::open(path).await?)),
            #[cfg(not(feature = "sqlite"))]
            Target::File(_) => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }

    /// Looks at the database without opening it for use: it creates and migrates nothing, so servers of an older version can go
    /// on to use it. Beside an SQLite file, SQLite may create its `-wal` and `-shm` files.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), if the database cannot be used: `Misconfigured` also for a schema that is newer than this version
    /// knows, `Unavailable` if a server cannot be reached.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(clippy::unused_async, reason = "memory needs no wait")
    )]
    pub async fn inspect(&self) -> Result<DatabaseReport> {
        match &self.target {
            Target::Memory => Ok(DatabaseReport::default()),
            #[cfg(feature = "postgres")]
            Target::Postgres(_) => super::postgres::inspect(self).await,
            #[cfg(feature = "sqlite")]
            Target::File(path) => super::sqlite::inspect(path).await,
            #[cfg(not(feature = "sqlite"))]
            Target::File(_) => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }

    /// Opens the database as [`open`](Self::open) does, and tries again each second while it is `Unavailable`, for example
    /// because its server starts together with this program. Calls `failed` after each attempt that another one follows.
    ///
    /// No attempt begins after `wait`. The last one can take a few seconds longer, because a PostgreSQL server gets two seconds
    /// in each. A dropped future leaves what a dropped `open` leaves.
    ///
    /// # Errors
    ///
    /// `Unavailable` with the cause of the last attempt once `wait` is over. Any other error at once, as a wrong password or URL
    /// does not become right by itself.
    pub async fn open_within(
        &self,
        wait: Duration,
        mut failed: impl FnMut(&Error) + Send,
    ) -> Result<Database> {
        let end = Instant::now() + wait;
        loop {
            match self.open().await {
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && Instant::now() + PAUSE < end =>
                {
                    failed(&error);
                    sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::File(path) => f.write_str(&location::path_text("sqlite", path)),
            Target::Memory => f.write_str("mem:"),
            #[cfg(feature = "postgres")]
            Target::Postgres(target) => target.write_url(f),
        }
    }
}

/// Checks that a path can name a file: it must not end in a slash.
fn file_path(path: PathBuf, text: &str) -> Result<PathBuf, Problem> {
    if text.ends_with('/') || path.file_name().is_none() {
        return Err("it names a folder; write the path of a file".into());
    }
    Ok(path)
}

fn misconfigured(problem: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase).with_detail(problem)
}

fn unsupported(detail: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::OpenDatabase).with_detail(detail)
}
