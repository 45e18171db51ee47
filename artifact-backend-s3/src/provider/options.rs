//! How to reach a bucket, apart from its URL.

/// How to reach a bucket. It holds no secret.
///
/// Start from `BucketOptions::default()` and set fields. `None` takes the value from the provider's own
/// environment variables, or else the provider's default.
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
}

impl BucketOptions {
    /// Returns a builder with the values of the environment and of these options.
    #[cfg(feature = "s3")]
    pub(crate) fn s3(&self, bucket: &str) -> object_store::aws::AmazonS3Builder {
        let Self {
            endpoint,
            region,
            path_style,
            allow_http,
        } = self;
        let mut builder = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(bucket);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = region {
            builder = builder.with_region(region);
        }
        if let Some(path_style) = path_style {
            builder = builder.with_virtual_hosted_style_request(!path_style);
        }
        if *allow_http {
            builder = builder.with_allow_http(true);
        }
        builder
    }

    /// Returns a builder with the values of the environment and of these options.
    #[cfg(feature = "gcs")]
    pub(crate) fn gcs(&self, bucket: &str) -> object_store::gcp::GoogleCloudStorageBuilder {
        use object_store::ClientConfigKey::AllowHttp;
        use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
        let Self {
            endpoint,
            region: _,
            path_style: _,
            allow_http,
        } = self;
        let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
        if let Some(endpoint) = endpoint {
            builder = builder.with_base_url(endpoint);
        }
        if *allow_http {
            builder = builder.with_config(GoogleConfigKey::Client(AllowHttp), "true");
        }
        builder
    }

    /// Returns a builder with the values of the environment and of these options.
    #[cfg(feature = "azure")]
    pub(crate) fn azure(&self, container: &str) -> object_store::azure::MicrosoftAzureBuilder {
        let Self {
            endpoint,
            region: _,
            path_style: _,
            allow_http,
        } = self;
        let mut builder =
            object_store::azure::MicrosoftAzureBuilder::from_env().with_container_name(container);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if *allow_http {
            builder = builder.with_allow_http(true);
        }
        builder
    }
}
