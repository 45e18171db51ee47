//! How to reach a bucket, apart from its URL.

use crate::credentials::BucketCredentials;

/// How to reach a bucket. `Debug` prints no secret.
///
/// Start from `BucketOptions::default()` and set fields. `None` takes the value from the provider's own
/// environment variables, or else the provider's default. With [`credentials`](Self::credentials), no
/// variable of the provider is read: `None` then means the provider's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketOptions {
    /// The URL of a server that speaks the provider's protocol: `https://minio.example:9000`. On
    /// Azure it includes the account, if the server expects the account in the path.
    pub endpoint: Option<String>,
    /// The region of an S3 bucket.
    pub region: Option<String>,
    /// S3 only: whether requests name the bucket in the path (`https://host/bucket/key`) rather than
    /// in the host (`https://bucket.host/key`). With `false`, a given endpoint must include the
    /// bucket.
    pub path_style: Option<bool>,
    /// Allows plain `http://` to other machines. To loopback addresses it is always allowed.
    pub allow_http: bool,
    /// The credentials from the program's own settings. `None` takes them from the provider's own
    /// environment variables, or else from the machine's role.
    pub credentials: Option<BucketCredentials>,
}
