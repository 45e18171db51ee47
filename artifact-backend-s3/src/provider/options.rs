//! Where a bucket is reached, apart from its URL.

/// Where and how a bucket is reached. What is `None` comes from the provider's own environment
/// variables, or is the provider's default. No secret is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketOptions {
    /// The URL of a server that speaks the provider's protocol: `https://minio.example:9000`. With
    /// Azure it includes the account where the server wants it in the path.
    pub endpoint: Option<String>,
    /// The region of a bucket of S3.
    pub region: Option<String>,
    /// Whether requests name the bucket in the path (`https://host/bucket/key`) or in the host
    /// (`https://bucket.host/key`; a given endpoint then must include it). For S3 only.
    pub path_style: Option<bool>,
    /// Plain `http://` to another machine. To the own one it is always allowed.
    pub allow_http: bool,
}

impl BucketOptions {
    /// The same, with another endpoint.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The same, with another region.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The same, with the bucket in the path or in the host.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_path_style(mut self, path_style: bool) -> Self {
        self.path_style = Some(path_style);
        self
    }

    /// The same, with plain `http://` to other machines.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_allow_http(mut self, allow_http: bool) -> Self {
        self.allow_http = allow_http;
        self
    }

    /// A builder from the environment and these options.
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

    /// A builder from the environment and these options.
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

    /// A builder from the environment and these options.
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
