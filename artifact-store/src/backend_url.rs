//! One URL, one backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactInventory};
#[cfg(feature = "bucket")]
use artifact_backend_s3::{BucketOptions, BucketUrl, ObjectStoreBackend, Provider, S3Config};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::location::{self, Location, Problem};

/// What a URL says of where the bytes are. Parsing has no side effects; [`open`](Self::open) has.
///
/// | text | backend | feature |
/// |---|---|---|
/// | `file:///srv/blobs` | a local folder, percent-encoded | `fs` |
/// | `/srv/blobs`, `./blobs`, `blobs` | a local folder, as it stands; a relative one is resolved against the current folder at once | `fs` |
/// | `mem:` | memory: it ends with the process | `mem` |
/// | `s3://bucket/prefix` | a bucket of Amazon S3, or of a server that speaks its protocol | `s3` |
/// | `gs://bucket/prefix` | a bucket of Google Cloud Storage | `gcs` |
/// | `az://container/prefix` | a container of Azure Blob Storage | `azure` |
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
    #[cfg(feature = "bucket")]
    Bucket(BucketUrl),
}

/// What a backend is opened with, apart from its URL. No secret is in it: credentials come from the
/// provider's own environment variables, or from the machine's role.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BackendOptions {
    /// Where and how a bucket is reached.
    #[cfg(feature = "bucket")]
    pub bucket: BucketOptions,
    /// Parts, deadlines and the like of a bucket.
    #[cfg(feature = "bucket")]
    pub s3: S3Config,
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
                "s3" | "s3a" => bucket("s3", &scheme, rest)?,
                "gs" | "gcs" => bucket("gcs", &scheme, rest)?,
                "az" | "azure" => bucket("azure", &scheme, rest)?,
                "abfs" | "abfss" => {
                    return Err(bad(
                        "write az://container/prefix for a container of Azure".into()
                    ));
                }
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; known are file:, mem:, s3:, gs: and az:, \
                         and a path alone means a folder"
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
            #[cfg(feature = "bucket")]
            Target::Bucket(_) => None,
        }
    }

    /// Whether what is stored there ends with the process.
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

    /// Opens the backend, and creates what is not there yet. A bucket is not created, and not asked
    /// for anything before it is used: [`Backend::probe`] does that.
    ///
    /// # Errors
    ///
    /// The backend's own, when the folder cannot be made or used, or an option of the bucket cannot
    /// be.
    #[cfg_attr(
        not(feature = "fs"),
        expect(clippy::unused_async, reason = "only folders wait for a disk")
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
                Ok(Backend::in_bucket(backend))
            }
            #[cfg(not(all(feature = "fs", feature = "mem")))]
            _ => unreachable!("`parse` refuses it in a build without the feature"),
        }
    }
}

/// An open backend, with and without what only maintenance may do.
#[derive(Debug, Clone)]
pub struct Backend {
    inventory: Arc<dyn ArtifactInventory>,
    #[cfg(feature = "bucket")]
    bucket: Option<ObjectStoreBackend>,
}

impl Backend {
    /// Any backend, of whatever make.
    pub fn new(inventory: Arc<dyn ArtifactInventory>) -> Self {
        Self {
            inventory,
            #[cfg(feature = "bucket")]
            bucket: None,
        }
    }

    /// A backend in a bucket, which can be [probed](Self::probe) and [closed](Self::close).
    #[cfg(feature = "bucket")]
    pub fn in_bucket(bucket: ObjectStoreBackend) -> Self {
        Self {
            inventory: Arc::new(bucket.clone()),
            bucket: Some(bucket),
        }
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
        Arc::clone(&self.inventory) as Arc<dyn ArtifactBackend>
    }

    /// The backend as maintenance is handed it.
    pub fn inventory(&self) -> Arc<dyn ArtifactInventory> {
        Arc::clone(&self.inventory)
    }

    /// Tries whether the storage keeps what the backend is built on, where that is not known: in a
    /// bucket. Elsewhere nothing is done.
    ///
    /// # Errors
    ///
    /// The backend's own: `Misconfigured`, with what the storage did wrong, when it must not be used;
    /// `PermissionDenied`, `Unavailable` and the like when it could not be tried.
    #[cfg_attr(
        not(feature = "bucket"),
        expect(clippy::unused_async, reason = "only a bucket is probed")
    )]
    pub async fn probe(&self) -> Result<()> {
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            let probed = bucket.probe().await;
            probed.map_err(|error| Error::backend(Operation::OpenBackend, error))?;
        }
        Ok(())
    }

    /// Waits until what dropped uploads left is removed, as far as the storage can be reached. Call
    /// it before the runtime ends; what is left then waits for a sweep.
    #[cfg_attr(
        not(feature = "bucket"),
        expect(
            clippy::unused_async,
            reason = "only a bucket has something to wait for"
        )
    )]
    pub async fn close(&self) {
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            bucket.close().await;
        }
    }
}

/// What a bucket's URL names, in a build that can reach it.
fn bucket(feature: &str, scheme: &str, rest: &str) -> Result<Target> {
    if location::holds_credentials(rest) {
        return Err(bad(location::CREDENTIALS.into()));
    }
    #[cfg(feature = "bucket")]
    {
        let provider = Provider::of_scheme(scheme).filter(|provider| provider.is_built_in());
        if let Some(provider) = provider {
            let url = BucketUrl::new(provider, rest);
            return url
                .map(Target::Bucket)
                .map_err(|error| bad(error.to_string().into()));
        }
    }
    Err(unsupported(missing_feature(feature, &format!("{scheme}:"))))
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
