//! The constructors for S3, Google and Azure.

mod options;

#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "azure", feature = "gcs"))]
mod checksum;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(any(feature = "s3", feature = "gcs"))]
mod incomplete_xml;
#[cfg(feature = "s3")]
mod s3;

use artifact_backend::{Error, ErrorKind, Operation, Result, host};
use artifact_backend_config::{BucketOptions, S3Config};
use object_store::{ClientConfigKey, RetryConfig};

use crate::backend::ObjectStoreBackend;
use crate::bucket_url::{BucketUrl, Provider};

impl ObjectStoreBackend {
    /// Opens the bucket that a URL names: `s3://`, `gs://` or `az://`.
    ///
    /// Everything that `options` leaves open comes from the provider's own environment variables
    /// (`AWS_*`, `GOOGLE_*`, `AZURE_*`), which the `from_env` of `object_store`'s builders reads.
    /// Credentials also come from there, or else from the machine's role. If `options` has
    /// credentials, nothing comes from there. Sends no request: [`probe`](Self::probe) tests the bucket
    /// and the credentials.
    ///
    /// # Errors
    ///
    /// - `Unsupported` if this build lacks the provider's feature.
    /// - `Misconfigured` if an option or a variable is missing or not valid, or the credentials are those
    ///   of another provider. The detail names the URL.
    pub fn open(url: &BucketUrl, options: &BucketOptions, config: S3Config) -> Result<Self> {
        let (bucket, prefix) = (url.bucket(), url.prefix());
        let opened =
            match url.provider() {
                #[cfg(feature = "s3")]
                Provider::S3 => options::s3(options, bucket)
                    .and_then(|builder| Self::s3(builder, prefix, config)),
                #[cfg(feature = "gcs")]
                Provider::Gcs => options::gcs(options, bucket)
                    .and_then(|builder| Self::gcs(builder, prefix, config)),
                #[cfg(feature = "azure")]
                Provider::Azure => options::azure(options, bucket)
                    .and_then(|builder| Self::azure(builder, prefix, config)),
                #[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
                provider => Err(
                    Error::new(ErrorKind::Unsupported, Operation::Open).with_detail(format!(
                        "this build cannot use {}://: it was compiled without the feature `{}`",
                        provider.scheme(),
                        provider.feature()
                    )),
                ),
            };
        opened.map_err(|error| {
            let detail = format!("{url}: {}", error.detail());
            error.with_detail(detail)
        })
    }
}

/// Turns the library's own retries off. When it repeats a create, it cannot tell its own first attempt
/// from another writer's object.
fn no_retries() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}

/// Turns the library's time-out off in effect. It would cover a whole body of any size; this backend
/// limits the wait for a response and for each chunk of a body instead.
const TIMEOUT: (ClientConfigKey, &str) = (ClientConfigKey::Timeout, "365days");

/// Decides whether plain HTTP is allowed: to loopback addresses always, to other machines only if the
/// operator has allowed it.
fn allow_http(endpoint: Option<&str>, allowed: bool) -> Result<bool> {
    let Some(rest) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return Ok(allowed);
    };
    // Before an `@` is the user; behind the last colon is the port, unless that is part of an IPv6
    // address in brackets (RFC 3986, section 3.2).
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = authority.rsplit('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => name,
    };
    if allowed || host::is_loopback(name) {
        return Ok(true);
    }
    Err(misconfigured(
        "the endpoint is plain http:// on another machine, so that anyone on the network path can \
         read and change the blobs; use https://, or allow plain HTTP",
    ))
}

fn misconfigured(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(detail)
}

/// Converts a builder's error. Its text names the wrong option, never its value.
fn invalid_options(error: object_store::Error) -> Error {
    misconfigured("the options of the bucket are not valid").with_source(error)
}

/// The providers reject smaller parts, except the last one of an upload.
const MIN_PART_BYTES: u64 = 5 << 20;
const MAX_PART_BYTES: u64 = 5 << 30;

fn check_part_bytes(config: &S3Config) -> Result<()> {
    if (MIN_PART_BYTES..=MAX_PART_BYTES).contains(&config.part_bytes) {
        Ok(())
    } else {
        Err(misconfigured("the part size must be from 5 MiB to 5 GiB"))
    }
}

/// Returns the store's own client, for requests that the library has no method for. It has the proxy,
/// the root certificates and all other settings of the builder.
#[cfg(any(feature = "s3", feature = "gcs"))]
fn client_of_store(
    connections: &crate::connector::Connections,
) -> Result<object_store::client::HttpClient> {
    connections.to_bucket().ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, Operation::Open)
            .with_detail("the library built a store without a connection")
    })
}

#[cfg(test)]
mod tests {
    use super::allow_http;

    #[test]
    fn plain_http_needs_a_loopback_address_or_permission() {
        for loopback in ["127.0.0.1", "localhost:80", "[::1]:80", "[::1]"] {
            let endpoint = format!("http://{loopback}");
            assert!(allow_http(Some(&endpoint), false).unwrap(), "{endpoint}");
        }
        for other in [
            "10.0.0.1",
            "[::2]:80",
            "",
            "127.0.0.1@evil",
            "localhost:80@evil",
        ] {
            let endpoint = format!("http://{other}");
            assert!(allow_http(Some(&endpoint), false).is_err(), "{endpoint}");
        }
        assert!(allow_http(Some("http://127.0.0.1:9000/"), false).unwrap());
        assert!(allow_http(Some("http://minio:9000"), true).unwrap());
        assert!(allow_http(Some("http://minio:9000"), false).is_err());
        assert!(!allow_http(Some("https://minio"), false).unwrap());
        assert!(!allow_http(None, false).unwrap());
    }
}
