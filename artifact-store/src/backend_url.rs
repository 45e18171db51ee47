//! The URL of a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactInventory};
#[cfg(feature = "bucket")]
use artifact_backend_s3::{BucketOptions, BucketUrl, ObjectStoreBackend, Provider, S3Config};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::location::{self, Location, Problem};

/// A parsed URL or path of a backend. Parsing has no side effects. [`open`](Self::open) may create a folder.
///
/// | text | backend | feature |
/// |---|---|---|
/// | `file:///srv/blobs` | a local folder, percent-encoded | `fs` |
/// | `/srv/blobs`, `./blobs`, `blobs` | a local folder, not decoded; a relative path is resolved against the current folder during parsing | `fs` |
/// | `mem:` | memory, lost when the process ends | `mem` |
/// | `s3://bucket/prefix` | a bucket of Amazon S3, or of a server that speaks its protocol | `s3` |
/// | `gs://bucket/prefix` | a bucket of Google Cloud Storage | `gcs` |
/// | `az://container/prefix` | a container of Azure Blob Storage | `azure` |
///
/// Other texts are rejected with a message that says what to write instead. A relative name with a
/// colon needs a slash before the colon (`./a:b`), because `a:` would be a scheme. A URL must not
/// contain credentials; no error repeats any part of the text except its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl(Target);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Folder(PathBuf),
    Memory,
    #[cfg(feature = "bucket")]
    Bucket(BucketUrl),
}

/// The options to open a backend with, besides its URL. They hold no secret: credentials come from
/// the provider's own environment variables, or from the machine's role.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BackendOptions {
    /// How to reach a bucket.
    #[cfg(feature = "bucket")]
    pub bucket: BucketOptions,
    /// The settings of the bucket backend, such as part sizes and deadlines.
    #[cfg(feature = "bucket")]
    pub s3: S3Config,
}

impl BackendUrl {
    /// Parses a URL or a bare path.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the text names no backend; `Unsupported` if it names one that this build or
    /// this version does not have.
    pub fn parse(text: &str) -> Result<Self> {
        let target = match Location::parse(text).map_err(misconfigured)? {
            Location::Path(path) => Target::Folder(path),
            Location::Url { scheme, rest } => match scheme.as_str() {
                "file" => Target::Folder(location::url_path(rest).map_err(misconfigured)?),
                "mem" if rest.is_empty() => Target::Memory,
                _ if location::holds_credentials(rest) => {
                    return Err(misconfigured(location::CREDENTIALS.into()));
                }
                "mem" => return Err(misconfigured("nothing may follow the colon of mem:".into())),
                "s3" | "s3a" => bucket("s3", &scheme, rest)?,
                "gs" | "gcs" => bucket("gcs", &scheme, rest)?,
                "az" | "azure" => bucket("azure", &scheme, rest)?,
                "abfs" | "abfss" => {
                    return Err(misconfigured(
                        "write az://container/prefix for a container of Azure".into(),
                    ));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; use file:, mem:, s3:, gs: or az:, or a path \
                         alone for a folder"
                    );
                    return Err(misconfigured(detail.into()));
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

    /// Returns the absolute path of the folder, if this is a folder. `..` in it is not resolved.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Target::Folder(path) => Some(path),
            Target::Memory => None,
            #[cfg(feature = "bucket")]
            Target::Bucket(_) => None,
        }
    }

    /// Returns whether the blobs are lost when the process ends.
    pub fn is_memory(&self) -> bool {
        matches!(self.0, Target::Memory)
    }

    /// Opens the backend with the default options; see [`open_with`](Self::open_with).
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with).
    pub async fn open(&self) -> Result<Backend> {
        self.open_with(BackendOptions::default()).await
    }

    /// Opens the backend, and creates its folder if necessary. Does not create a bucket, and sends no
    /// request to it; [`Backend::probe`] does.
    ///
    /// # Errors
    ///
    /// The backend's own, if the folder cannot be created or used, or an option of the bucket is
    /// invalid.
    #[cfg_attr(
        not(feature = "fs"),
        expect(
            clippy::unused_async,
            reason = "only opening a folder waits for the disk"
        )
    )]
    pub async fn open_with(&self, options: BackendOptions) -> Result<Backend> {
        let BackendOptions {
            #[cfg(feature = "bucket")]
                bucket: bucket_options,
            #[cfg(feature = "bucket")]
            s3,
        } = options;
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
            #[cfg(feature = "bucket")]
            Target::Bucket(url) => {
                let opened = ObjectStoreBackend::open(url, &bucket_options, s3);
                let backend =
                    opened.map_err(|error| Error::backend(Operation::OpenBackend, error))?;
                Ok(Backend::new(Arc::new(backend)))
            }
            #[cfg(not(all(feature = "fs", feature = "mem")))]
            _ => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }
}

/// An open backend, for request paths and for maintenance.
#[derive(Debug, Clone)]
pub struct Backend {
    inventory: Arc<dyn ArtifactInventory>,
}

impl Backend {
    /// Wraps any backend.
    pub fn new(inventory: Arc<dyn ArtifactInventory>) -> Self {
        Self { inventory }
    }

    /// Opens the backend that a URL or a bare path names; see [`BackendUrl`] for the forms.
    ///
    /// # Errors
    ///
    /// As [`BackendUrl::parse`] and [`BackendUrl::open`].
    pub async fn from_url(text: &str) -> Result<Self> {
        BackendUrl::parse(text)?.open().await
    }

    /// Returns the backend for request paths, which cannot list or delete.
    pub fn backend(&self) -> Arc<dyn ArtifactBackend> {
        Arc::clone(&self.inventory) as Arc<dyn ArtifactBackend>
    }

    /// Returns the backend for maintenance.
    pub fn inventory(&self) -> Arc<dyn ArtifactInventory> {
        Arc::clone(&self.inventory)
    }

    /// Checks that the storage has the properties that the backend relies on; see
    /// [`ArtifactInventory::probe`].
    ///
    /// # Errors
    ///
    /// The backend's own: `Misconfigured`, with the property that is missing, if a bucket must not be
    /// used; others, such as `Unavailable`, if the check could not be done.
    pub async fn probe(&self) -> Result<()> {
        let probed = self.inventory.probe().await;
        probed.map_err(|error| Error::backend(Operation::OpenBackend, error))
    }

    /// Waits until the background work of dropped uploads is over, if the storage can be reached. Call it
    /// before the runtime ends; a later sweep removes the rest.
    pub async fn close(&self) {
        self.inventory.close().await;
    }
}

/// Parses the URL of a bucket.
fn bucket(feature: &str, scheme: &str, rest: &str) -> Result<Target> {
    if location::holds_credentials(rest) {
        return Err(misconfigured(location::CREDENTIALS.into()));
    }
    #[cfg(feature = "bucket")]
    {
        let provider = Provider::of_scheme(scheme).filter(|provider| provider.is_built_in());
        if let Some(provider) = provider {
            let url = BucketUrl::new(provider, rest);
            return url
                .map(Target::Bucket)
                .map_err(|error| misconfigured(error.to_string().into()));
        }
    }
    Err(unsupported(missing_feature(feature, &format!("{scheme}:"))))
}

fn missing_feature(feature: &str, kind: &str) -> String {
    format!("this build cannot use {kind}: it was compiled without the feature `{feature}`")
}

fn misconfigured(problem: Problem) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenBackend).with_detail(problem)
}

fn unsupported(detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::OpenBackend).with_detail(detail)
}
