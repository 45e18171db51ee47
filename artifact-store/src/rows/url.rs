//! One URL, one database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MemoryRows, Rows};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::location::{self, Location, Problem};

/// What a URL says of where rows and registry are. Parsing has no side effects; [`open`](Self::open) has.
///
/// | text | database | feature |
/// |---|---|---|
/// | `sqlite:///srv/rows.sqlite` | an SQLite file, percent-encoded | `sqlite` |
/// | `/srv/rows.sqlite`, `./rows.sqlite` | an SQLite file, as it stands; a relative one is resolved against the current folder at once | `sqlite` |
/// | `mem:` | memory: all of it ends with the process | |
///
/// Everything else is refused with a sentence on what to write instead. No error repeats anything
/// of the text but its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Target);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    File(PathBuf),
    Memory,
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
                _ if location::holds_credentials(rest) => {
                    return Err(bad(location::CREDENTIALS.into()));
                }
                "mem" => return Err(bad("nothing follows the colon of mem:".into())),
                "postgres" | "postgresql" => {
                    return Err(unsupported(
                        "rows in PostgreSQL (feature `postgres`) are not part of this version",
                    ));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; known are sqlite: and mem:, and a path \
                         alone means an SQLite file"
                    );
                    return Err(bad(detail.into()));
                }
            },
        };
        match target {
            Target::File(_) if !cfg!(feature = "sqlite") => Err(unsupported(
                "this build cannot use an SQLite file: it was compiled without the feature `sqlite`",
            )),
            target => Ok(Self(target)),
        }
    }

    /// The file that it names, absolute, if it names one. `..` in it is as it was written.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Target::File(path) => Some(path),
            Target::Memory => None,
        }
    }

    /// Opens the database, and creates what is not there yet.
    ///
    /// # Errors
    ///
    /// As `SqliteRows::open`.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(clippy::unused_async, reason = "memory opens at once, files do not")
    )]
    pub async fn open(&self) -> Result<Database> {
        match &self.0 {
            Target::Memory => Ok(Database::new(MemoryRows::new())),
            #[cfg(feature = "sqlite")]
            Target::File(path) => Ok(Database::new(super::SqliteRows::open(path).await?)),
            #[cfg(not(feature = "sqlite"))]
            Target::File(_) => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }
}

/// Opens the rows of the database that a URL or a bare path names, for who needs no registry; see
/// [`DatabaseUrl`] for the forms and [`Database::from_url`] for both.
///
/// # Errors
///
/// As [`DatabaseUrl::parse`] and [`DatabaseUrl::open`].
pub async fn from_url(text: &str) -> Result<Arc<dyn Rows>> {
    Ok(Database::from_url(text).await?.rows)
}

fn bad(problem: Problem) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenRows).with_detail(problem)
}

fn unsupported(detail: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::OpenRows).with_detail(detail)
}
