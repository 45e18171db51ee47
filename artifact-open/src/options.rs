//! The options of all backends.

use artifact_backend_config::{BucketOptions, FsConfig, MemConfig, PackConfig, S3Config};

/// The options to open a backend with, besides its URL. `Debug` prints no secret.
///
/// Every build has the options of every scheme, also of those that it cannot open. Start from
/// `BackendOptions::default()` and set fields. Only the options of the URL's scheme have an effect.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BackendOptions {
    /// The settings of a local folder.
    pub fs: FsConfig,
    /// The settings of a backend in memory.
    pub mem: MemConfig,
    /// The settings of a local folder of segments.
    pub pack: PackConfig,
    /// How to reach a bucket, and its credentials.
    pub bucket: BucketOptions,
    /// The settings of the bucket backend, such as part sizes and deadlines.
    pub s3: S3Config,
}
