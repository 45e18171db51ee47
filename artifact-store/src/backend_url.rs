//! One URL, one backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactInventory};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::location::{self, Location, Problem};

/// What a URL says of where the bytes are. Parsing has no side effects; [`open`](Self::open) has.
///
/// | text | backend | feature |
/// |---|---|---|
/// | `file:///srv/blobs` | a local folder, percent-encoded | `fs` |
/// | `/srv/blobs`, `./blobs`, `blobs` | a local folder, as it stands; a relative one is resolved against the current folder at once | `fs` |
/// | `mem:` | memory: it ends with the process | `mem` |
///
/// Everything else is refused with a sentence on what to write instead. A name with a colon in it
/// needs a slash before it (`./a:b`), or it would be a scheme. Credentials never stand in a URL;
/// no error repeats anything of the text but its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl(Target);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Folder(PathBuf),
    Memory,
}

impl BackendUrl {
    /// Reads a URL or a bare path.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the text names no backend; `Unsupported` when it names one that this
    /// build or this version does not have.
    pub fn parse(text: &str) -> Result<Self> {
        let target = match Location::parse(text).map_err(bad)? {
            Location::Path(path) => Target::Folder(path),
            Location::Url { scheme, rest } => match scheme.as_str() {
                "file" => Target::Folder(location::url_path(rest).map_err(bad)?),
                "mem" if rest.is_empty() => Target::Memory,
                _ if location::holds_credentials(rest) => {
                    return Err(bad(location::CREDENTIALS.into()));
                }
                "mem" => return Err(bad("nothing follows the colon of mem:".into())),
                "s3" | "s3a" | "gs" | "gcs" | "az" | "azure" | "abfs" | "abfss" => {
                    let detail = format!("this version has no backend for {scheme}:");
                    return Err(unsupported(detail));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; known are file: and mem:, and a path \
                         alone means a folder"
                    );
                    return Err(bad(detail.into()));
                }
            },
        };
        match target {
            Target::Folder(_) if !cfg!(feature = "fs") => {
                Err(unsupported(missing_feature("fs", "a local folder")))
            }
            Target::Memory if !cfg!(feature = "mem") => {
                Err(unsupported(missing_feature("mem", "mem:")))
            }
            target => Ok(Self(target)),
        }
    }

    /// The folder that it names, absolute, if it names one. `..` in it is as it was written.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Target::Folder(path) => Some(path),
            Target::Memory => None,
        }
    }

    /// Opens the backend, and creates what is not there yet.
    ///
    /// # Errors
    ///
    /// The backend's own, when the folder cannot be made or used.
    #[cfg_attr(
        not(feature = "fs"),
        expect(clippy::unused_async, reason = "memory opens at once, folders do not")
    )]
    pub async fn open(&self) -> Result<Backend> {
        match &self.0 {
            #[cfg(feature = "fs")]
            Target::Folder(path) => {
                use artifact_backend_fs::{FsBackend, FsConfig};
                let opened = FsBackend::open(path, FsConfig::default()).await;
                let backend =
                    opened.map_err(|error| Error::backend(Operation::OpenBackend, error))?;
                Ok(Backend::new(Arc::new(backend)))
            }
            #[cfg(feature = "mem")]
            Target::Memory => {
                use artifact_backend_mem::{MemBackend, MemConfig};
                Ok(Backend::new(Arc::new(
                    MemBackend::new(MemConfig::default()),
                )))
            }
            #[cfg(not(all(feature = "fs", feature = "mem")))]
            _ => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }
}

/// An open backend, with and without what only maintenance may do.
#[derive(Debug, Clone)]
pub struct Backend(Arc<dyn ArtifactInventory>);

impl Backend {
    /// Any backend, of whatever make.
    pub fn new(inventory: Arc<dyn ArtifactInventory>) -> Self {
        Self(inventory)
    }

    /// Opens the backend that a URL or a bare path names; see [`BackendUrl`] for the forms.
    ///
    /// # Errors
    ///
    /// As [`BackendUrl::parse`] and [`BackendUrl::open`].
    pub async fn from_url(text: &str) -> Result<Self> {
        BackendUrl::parse(text)?.open().await
    }

    /// The backend as a request path is handed it: it cannot list or delete.
    pub fn backend(&self) -> Arc<dyn ArtifactBackend> {
        Arc::clone(&self.0) as Arc<dyn ArtifactBackend>
    }

    /// The backend as maintenance is handed it.
    pub fn inventory(&self) -> Arc<dyn ArtifactInventory> {
        Arc::clone(&self.0)
    }
}

fn missing_feature(feature: &str, what: &str) -> String {
    format!("this build cannot use {what}: it was compiled without the feature `{feature}`")
}

fn bad(problem: Problem) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenBackend).with_detail(problem)
}

fn unsupported(detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::OpenBackend).with_detail(detail)
}
