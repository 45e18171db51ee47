//! The URL of a backend.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use artifact_backend::{Error, ErrorKind, Operation, Result};
#[cfg(feature = "bucket")]
use artifact_backend_s3::{BucketUrl, ObjectStoreBackend, Provider};

use crate::backend::Backend;
use crate::location::{self, Location};
use crate::options::BackendOptions;

/// A parsed URL or path of a backend. Parsing has no side effects. [`open`](Self::open) may create a folder.
///
/// | text | backend | feature |
/// |---|---|---|
/// | `file:///srv/blobs` | a local folder, percent-encoded | `fs` |
/// | `/srv/blobs`, `./blobs`, `blobs` | a local folder, not decoded; a relative path is resolved against the current folder during parsing | `fs` |
/// | `mem:` | memory, lost when the process ends | `mem` |
/// | `pack:///srv/blobs` | a local folder that packs small blobs into segments, percent-encoded; Unix | `pack` |
/// | `s3://bucket/prefix` | a bucket of Amazon S3, or of a server that speaks its protocol | `s3` |
/// | `gs://bucket/prefix` | a bucket of Google Cloud Storage | `gcs` |
/// | `az://container/prefix` | a container of Azure Blob Storage | `azure` |
///
/// A [`SchemeRegistry`](crate::SchemeRegistry) adds schemes to these. Other texts are rejected with a
/// message that says what to write instead. A relative name with a colon needs a slash before the colon
/// (`./a:b`), because `a:` would be a scheme. A URL must not contain credentials; no error repeats any
/// part of the text except its scheme.
///
/// `Display` writes a text that parses to an equal value: `file:` with the absolute path of a folder, or
/// the path alone if `..` is in it. The exception is a relative path whose current folder has a name
/// that is not UTF-8, or that has a control character in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendUrl(Target);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Folder(PathBuf),
    Memory,
    /// A folder of segments.
    Pack(PathBuf),
    #[cfg(feature = "bucket")]
    Bucket(BucketUrl),
    /// The scheme is in the registry that parsed the URL.
    Registered {
        scheme: String,
        rest: String,
    },
}

/// The schemes of this crate, and those whose names people may expect it to have.
const RESERVED: [&str; 11] = [
    "file", "mem", "pack", "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss",
];

impl BackendUrl {
    /// Parses a URL or a bare path.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the text names no backend; `Unsupported` if it names one that this build does
    /// not have. The detail names the missing feature.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, |_| false)
    }

    /// Parses a URL whose scheme is one of this crate or satisfies `is_registered`.
    pub(crate) fn parse_with(text: &str, is_registered: impl Fn(&str) -> bool) -> Result<Self> {
        let target = match Location::parse(text).map_err(misconfigured)? {
            Location::Path(path) => Target::Folder(path),
            Location::Url { scheme, rest } => match scheme.as_str() {
                "file" => Target::Folder(location::url_path(rest).map_err(misconfigured)?),
                "pack" => Target::Pack(location::url_path(rest).map_err(misconfigured)?),
                "mem" if rest.is_empty() => Target::Memory,
                _ if location::holds_credentials(rest) => {
                    return Err(misconfigured(location::CREDENTIALS));
                }
                "mem" => return Err(misconfigured("nothing may follow the colon of mem:")),
                "s3" | "s3a" => bucket("s3", &scheme, rest)?,
                "gs" | "gcs" => bucket("gcs", &scheme, rest)?,
                "az" | "azure" => bucket("azure", &scheme, rest)?,
                "abfs" | "abfss" => {
                    return Err(misconfigured(
                        "write az://container/prefix for a container of Azure",
                    ));
                }
                _ if is_registered(&scheme) => Target::Registered {
                    scheme,
                    rest: rest.to_owned(),
                },
                _ => {
                    let detail = format!(
                        "the scheme {scheme}: is not known; use file:, mem:, pack:, s3:, gs: or az:, or a path \
                         alone for a folder"
                    );
                    return Err(misconfigured(detail));
                }
            },
        };
        match target {
            Target::Folder(_) if !cfg!(feature = "fs") => Err(without_folders()),
            Target::Memory if !cfg!(feature = "mem") => Err(without_memory()),
            Target::Pack(_) if !cfg!(feature = "pack") => Err(without_segments()),
            target => Ok(Self(target)),
        }
    }

    /// Returns whether the scheme cannot be registered.
    pub(crate) fn is_reserved(scheme: &str) -> bool {
        RESERVED.contains(&scheme)
    }

    /// Returns the scheme in lower case: `file` for a folder, also if only its path was given.
    pub fn scheme(&self) -> &str {
        match &self.0 {
            Target::Folder(_) => "file",
            Target::Memory => "mem",
            Target::Pack(_) => "pack",
            #[cfg(feature = "bucket")]
            Target::Bucket(url) => url.provider().scheme(),
            Target::Registered { scheme, .. } => scheme,
        }
    }

    /// Returns the text after the colon, if a program registered the scheme. It is not decoded.
    pub fn rest(&self) -> Option<&str> {
        match &self.0 {
            Target::Registered { rest, .. } => Some(rest),
            _ => None,
        }
    }

    /// Returns the absolute path of the folder, if this is a folder: one of `file:` or of `pack:`. `..` in it is not resolved.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Target::Folder(path) | Target::Pack(path) => Some(path),
            _ => None,
        }
    }

    /// Returns whether the blobs are lost when the process ends. For a registered scheme, only its
    /// program knows; the result is false.
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
    /// invalid. The detail names the folder or the bucket. `Unsupported` if the scheme is one that a
    /// program registered: [`SchemeRegistry::open`](crate::SchemeRegistry::open) opens it; and for `pack:` on systems other
    /// than Unix.
    #[cfg_attr(
        not(any(feature = "fs", all(feature = "pack", unix, not(artifact_not_unix)))),
        expect(
            clippy::unused_async,
            reason = "only opening a folder waits for the disk"
        )
    )]
    #[cfg_attr(
        not(all(
            feature = "fs",
            feature = "mem",
            feature = "pack",
            feature = "bucket",
            unix,
            not(artifact_not_unix)
        )),
        allow(
            unused_variables,
            reason = "each option belongs to a backend that the build may lack"
        )
    )]
    pub async fn open_with(&self, options: BackendOptions) -> Result<Backend> {
        let BackendOptions {
            fs,
            mem,
            pack,
            bucket,
            s3,
        } = options;
        match &self.0 {
            #[cfg(feature = "fs")]
            Target::Folder(path) => {
                let backend = artifact_backend_fs::FsBackend::open(path, fs).await?;
                Ok(Backend::new(std::sync::Arc::new(backend)))
            }
            #[cfg(not(feature = "fs"))]
            Target::Folder(_) => Err(without_folders()),
            #[cfg(feature = "mem")]
            Target::Memory => {
                let backend = artifact_backend_mem::MemBackend::new(mem);
                Ok(Backend::new(std::sync::Arc::new(backend)))
            }
            #[cfg(not(feature = "mem"))]
            Target::Memory => Err(without_memory()),
            #[cfg(all(feature = "pack", unix, not(artifact_not_unix)))]
            Target::Pack(path) => {
                let backend = artifact_backend_pack::PackBackend::open(path, pack).await?;
                Ok(Backend::new(std::sync::Arc::new(backend)))
            }
            #[cfg(not(all(feature = "pack", unix, not(artifact_not_unix))))]
            Target::Pack(_) if cfg!(feature = "pack") => Err(unsupported(
                "pack: works on Linux and other Unix systems only; use file: on this system"
                    .to_owned(),
            )),
            #[cfg(not(all(feature = "pack", unix, not(artifact_not_unix))))]
            Target::Pack(_) => Err(without_segments()),
            #[cfg(feature = "bucket")]
            Target::Bucket(url) => {
                let backend = ObjectStoreBackend::open(url, &bucket, s3)?;
                Ok(Backend::new(std::sync::Arc::new(backend)))
            }
            Target::Registered { scheme, .. } => Err(unsupported(format!(
                "the scheme {scheme}: is registered by the program; open the URL with its SchemeRegistry"
            ))),
        }
    }
}

impl FromStr for BackendUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Folder(path) => f.write_str(&location::path_text("file", path)),
            Target::Memory => f.write_str("mem:"),
            Target::Pack(path) => f.write_str(&location::path_text("pack", path)),
            #[cfg(feature = "bucket")]
            Target::Bucket(url) => url.fmt(f),
            Target::Registered { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

/// Parses the URL of a bucket.
fn bucket(feature: &str, scheme: &str, rest: &str) -> Result<Target> {
    #[cfg(feature = "bucket")]
    {
        let provider = Provider::of_scheme(scheme).filter(|provider| provider.is_built_in());
        if let Some(provider) = provider {
            let url = BucketUrl::new(provider, rest);
            return url
                .map(Target::Bucket)
                .map_err(|error| misconfigured(error.to_string()));
        }
    }
    #[cfg(not(feature = "bucket"))]
    let _ = rest;
    Err(missing_feature(feature, &format!("{scheme}:")))
}

fn without_folders() -> Error {
    missing_feature("fs", "a local folder")
}

fn without_memory() -> Error {
    missing_feature("mem", "mem:")
}

fn without_segments() -> Error {
    missing_feature("pack", "pack:")
}

fn missing_feature(feature: &str, kind: &str) -> Error {
    unsupported(format!(
        "this build cannot use {kind}: it was compiled without the feature `{feature}`"
    ))
}

pub(crate) fn misconfigured(problem: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(problem)
}

fn unsupported(detail: String) -> Error {
    Error::new(ErrorKind::Unsupported, Operation::Open).with_detail(detail)
}
