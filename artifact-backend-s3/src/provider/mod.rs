//! Opening a bucket of S3, Google or Azure.

mod options;

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(any(feature = "s3", feature = "gcs"))]
mod pending_xml;
#[cfg(feature = "s3")]
mod s3;

pub use options::BucketOptions;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use object_store::client::HttpConnector;
use object_store::{ClientConfigKey, ClientOptions, RetryConfig};

use crate::backend::ObjectStoreBackend;
use crate::bucket_url::{BucketUrl, Provider};
use crate::config::S3Config;

impl ObjectStoreBackend {
    /// Opens what a URL names, with credentials and all that is not in `options` from the provider's
    /// own environment variables: `AWS_*`, `GOOGLE_*`, `AZURE_*`, as the `from_env` of
    /// `object_store`'s builders reads them; and, where they name no credentials, from the machine's
    /// role. No request is made yet: [`probe`](Self::probe) tries bucket and credentials.
    ///
    /// # Errors
    ///
    /// `Unsupported` when this build lacks the provider's feature; `Misconfigured` when an option or
    /// a variable is missing or cannot be used.
    pub fn open(url: &BucketUrl, options: &BucketOptions, config: S3Config) -> Result<Self> {
        match url.provider() {
            #[cfg(feature = "s3")]
            Provider::S3 => Self::s3(options.s3(url.bucket()), url.prefix(), config),
            #[cfg(feature = "gcs")]
            Provider::Gcs => Self::gcs(options.gcs(url.bucket()), url.prefix(), config),
            #[cfg(feature = "azure")]
            Provider::Azure => Self::azure(options.azure(url.bucket()), url.prefix(), config),
            #[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
            provider => Err(
                Error::new(ErrorKind::Unsupported, Operation::Open).with_detail(format!(
                    "this build cannot use {}://: it was compiled without the feature `{}`",
                    provider.scheme(),
                    provider.feature()
                )),
            ),
        }
    }
}

/// The library tries nothing again by itself: after a create that it tried twice, it tells our own
/// first attempt from somebody else's object no better than the server does.
fn no_retries() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}

/// The library's time-out covers a whole body, however large. Ours are for the answer, and for each
/// piece of a body, so its own is as good as none.
const TIMEOUT: (ClientConfigKey, &str) = (ClientConfigKey::Timeout, "365days");

/// Plain HTTP is for the own machine; elsewhere only where it was asked for.
fn allow_http(endpoint: Option<&str>, asked_for: bool) -> Result<bool> {
    let Some(rest) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return Ok(asked_for);
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if asked_for || is_loopback(authority) {
        return Ok(true);
    }
    Err(misconfigured(
        "the endpoint is plain http:// on another machine, where everybody on the way can read and \
         change the blobs; write https://, or allow it",
    ))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn misconfigured(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(detail)
}

/// What a builder of the library refuses. Its text tells which option is missing, never its value.
fn refused(error: object_store::Error) -> Error {
    misconfigured("the storage cannot be set up like this").with_source(error)
}

/// The providers refuse smaller parts, except the last of an upload.
const LEAST_PART: u64 = 5 << 20;
const LARGEST_PART: u64 = 5 << 30;

fn check_part_bytes(config: &S3Config) -> Result<()> {
    if (LEAST_PART..=LARGEST_PART).contains(&config.part_bytes) {
        Ok(())
    } else {
        Err(misconfigured(
            "the size of a part must be from 5 MiB to 5 GiB",
        ))
    }
}

/// A client for the requests that the library has no method for.
#[cfg(any(feature = "s3", feature = "gcs"))]
fn plain_client(
    connector: &impl HttpConnector,
    allow_http: bool,
) -> Result<object_store::client::HttpClient> {
    let (key, value) = TIMEOUT;
    let options = ClientOptions::new()
        .with_config(key, value)
        .with_allow_http(allow_http);
    connector.connect(&options).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::{allow_http, is_loopback};

    #[test]
    fn plain_http_is_for_the_own_machine_or_asked_for() {
        for loopback in ["127.0.0.1:9000", "localhost", "[::1]:80", "127.8.8.8"] {
            assert!(is_loopback(loopback), "{loopback}");
        }
        for other in [
            "10.0.0.1",
            "localhost.example.com:80",
            "[::2]",
            "",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
        assert!(allow_http(Some("http://127.0.0.1:9000/"), false).unwrap());
        assert!(allow_http(Some("http://minio:9000"), true).unwrap());
        assert!(allow_http(Some("http://minio:9000"), false).is_err());
        assert!(!allow_http(Some("https://minio"), false).unwrap());
        assert!(!allow_http(None, false).unwrap());
    }
}
