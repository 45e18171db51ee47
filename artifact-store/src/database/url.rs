//! One URL, one database.

use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::postgres::{Password, PostgresDatabase, Target as Postgres};
use super::{Database, MemoryDatabase};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::location::{self, Location, Problem};

/// What a URL says of where rows and identities are. Parsing has no side effects; [`open`](Self::open) has.
///
/// | text | database | feature |
/// |---|---|---|
/// | `sqlite:///srv/rows.sqlite` | an SQLite file, percent-encoded | `sqlite` |
/// | `/srv/rows.sqlite`, `./rows.sqlite` | an SQLite file, as it stands; a relative one is resolved against the current folder at once | `sqlite` |
/// | `postgres://user@host:5432/database` | a database of a PostgreSQL server; parts are percent-encoded, `user` and port may be left out | `postgres` |
/// | `postgres://user@/database?host=/run/postgresql` | the same by a Unix socket, named by its folder; `%2Frun%2Fpostgresql` in the place of the host means the same | `postgres` |
/// | `mem:` | memory: all of it ends with the process | |
///
/// Everything else is refused with a sentence on what to write instead. No error repeats anything
/// of the text but its scheme.
///
/// A password never stands in a URL: [`with_password`](Self::with_password) takes it.
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
    /// Reads a URL or a bare path.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the text names no database; `Unsupported` when it names one that this
    /// build or this version cannot use.
    pub fn parse(text: &str) -> Result<Self> {
        let file = |path| location::file_path(path, text).map(Target::File);
        let target = match Location::parse(text).map_err(bad)? {
            Location::Path(path) => file(path).map_err(bad)?,
            Location::Url { scheme, rest } => match scheme.as_str() {
                "sqlite" => location::url_path(rest).and_then(file).map_err(bad)?,
                "mem" if rest.is_empty() => Target::Memory,
                #[cfg(feature = "postgres")]
                "postgres" | "postgresql" => {
                    Postgres::parse(rest).map(Target::Postgres).map_err(bad)?
                }
                _ if location::holds_credentials(rest) => {
                    return Err(bad(location::CREDENTIALS.into()));
                }
                "mem" => return Err(bad("nothing follows the colon of mem:".into())),
                #[cfg(not(feature = "postgres"))]
                "postgres" | "postgresql" => {
                    return Err(unsupported(
                        "this build cannot use PostgreSQL: it was compiled without the feature \
                         `postgres`",
                    ));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; known are sqlite:, postgres: and mem:, and \
                         a path alone means an SQLite file"
                    );
                    return Err(bad(detail.into()));
                }
            },
        };
        match target {
            Target::File(_) if !cfg!(feature = "sqlite") => Err(unsupported(
                "this build cannot use an SQLite file: it was compiled without the feature `sqlite`",
            )),
            #[cfg(feature = "postgres")]
            Target::Postgres(postgres) if postgres.is_encrypted() => Err(unsupported(
                "TLS to the database is not part of this version; reach it by a Unix socket or a \
                 network of its own and write sslmode=disable, or put a tunnel between",
            )),
            target => Ok(Self {
                target,
                #[cfg(feature = "postgres")]
                password: None,
            }),
        }
    }

    /// The same database, with the password of its user. It is printed nowhere. Only PostgreSQL asks
    /// for one; for everything else this changes nothing.
    #[must_use = "this gives the URL back, it does not change it in place"]
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_mut, reason = "nothing in this build asks for one")
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

    /// Whether what is kept there is still there when this process has ended.
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

    /// The file that it names, absolute, if it names one. `..` in it is as it was written.
    pub fn path(&self) -> Option<&Path> {
        if let Target::File(path) = &self.target {
            Some(path)
        } else {
            None
        }
    }

    /// Opens the database, and creates what is not there yet.
    ///
    /// # Errors
    ///
    /// As `SqliteDatabase::open` and `PostgresDatabase::open`.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(clippy::unused_async, reason = "memory opens at once, files do not")
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
}

fn bad(problem: Problem) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenRows).with_detail(problem)
}

fn unsupported(detail: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::OpenRows).with_detail(detail)
}
