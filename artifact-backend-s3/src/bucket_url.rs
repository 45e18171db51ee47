//! The URL of a bucket.

use std::fmt;

/// A provider of object storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// Amazon S3, or a server that speaks its protocol: `s3://`.
    S3,
    /// Google Cloud Storage: `gs://`.
    Gcs,
    /// Azure Blob Storage: `az://`.
    Azure,
}

impl Provider {
    /// Returns the provider of a URL scheme in lower case.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Self::S3),
            "gs" | "gcs" => Some(Self::Gcs),
            "az" | "azure" => Some(Self::Azure),
            _ => None,
        }
    }

    /// Returns the scheme of its URLs.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    /// Returns the Cargo feature that it needs.
    pub const fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azure => "azure",
        }
    }

    /// Returns whether this build includes it.
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Gcs => cfg!(feature = "gcs"),
            Self::Azure => cfg!(feature = "azure"),
        }
    }
}

/// A bucket (Azure: a container) and a prefix inside it: `s3://bucket/prefix`.
///
/// - The bucket has 3 to 222 characters of `a-z 0-9 . - _`. A provider may allow fewer.
/// - The prefix may be empty. Otherwise it consists of names of `A-Z a-z 0-9 . - _ = +`, separated by
///   single slashes, with at most 512 characters in total. `.` and `..` are not allowed as names. A
///   trailing slash is ignored.
/// - Credentials, a query and a fragment are rejected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketUrl {
    provider: Provider,
    bucket: String,
    prefix: String,
}

impl BucketUrl {
    /// Parses the rest of a URL after the colon (`//bucket/prefix`), given the provider of its scheme.
    ///
    /// # Errors
    ///
    /// [`InvalidBucketUrl`], which names the broken rule and repeats no part of the text.
    pub fn new(provider: Provider, rest: &str) -> Result<Self, InvalidBucketUrl> {
        use InvalidBucketUrl as Invalid;
        let rest = rest.strip_prefix("//").ok_or(Invalid::NoBucket)?;
        if rest.contains('@') {
            return Err(Invalid::Credentials);
        }
        if rest.contains(['?', '#', '%']) {
            return Err(Invalid::Query);
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let in_bucket =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if bucket.is_empty() {
            return Err(Invalid::NoBucket);
        }
        if !(3..=222).contains(&bucket.len())
            || !bucket.bytes().all(in_bucket)
            || bucket.starts_with(['.', '-'])
        {
            return Err(Invalid::Bucket);
        }
        Ok(Self {
            provider,
            bucket: bucket.to_owned(),
            prefix: check_prefix(prefix)?.to_owned(),
        })
    }

    /// Parses a whole URL.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), and [`InvalidBucketUrl::Scheme`] for an unknown scheme.
    pub fn parse(url: &str) -> Result<Self, InvalidBucketUrl> {
        let (scheme, rest) = url.split_once(':').ok_or(InvalidBucketUrl::Scheme)?;
        let provider = Provider::of_scheme(&scheme.to_ascii_lowercase());
        Self::new(provider.ok_or(InvalidBucketUrl::Scheme)?, rest)
    }

    /// Returns the provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Returns the bucket, or the container on Azure.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the prefix without slashes at its ends; it may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Returns the prefix without its trailing slash, if it follows the grammar.
pub(crate) fn check_prefix(prefix: &str) -> Result<&str, InvalidBucketUrl> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_=+".contains(&byte);
    let is_name =
        |name: &str| !name.is_empty() && name != "." && name != ".." && name.bytes().all(allowed);
    if prefix.is_empty() || (prefix.len() <= 512 && prefix.split('/').all(is_name)) {
        Ok(prefix)
    } else {
        Err(InvalidBucketUrl::Prefix)
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.provider.scheme(), self.bucket)?;
        if self.prefix.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.prefix)
        }
    }
}

/// Why a text is not a bucket URL. The messages repeat no part of the text, because it may contain a
/// secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBucketUrl {
    /// The scheme is unknown.
    #[error("the scheme must be s3:, gs: or az:")]
    Scheme,
    /// The bucket is missing.
    #[error("the bucket is missing; write two slashes and the bucket, as in s3://bucket/prefix")]
    NoBucket,
    /// The bucket's name breaks the rules that all providers share.
    #[error(
        "the bucket's name must have 3 to 222 characters, each a lower-case letter, a digit, or \
         one of . - _"
    )]
    Bucket,
    /// The prefix breaks the grammar.
    #[error(
        "the prefix after the bucket must consist of names of letters, digits and . - _ = +, \
         separated by single slashes, with at most 512 characters in total"
    )]
    Prefix,
    /// It contains a query, a fragment or a percent sign.
    #[error("a query, a fragment or a % is not allowed; options have settings of their own")]
    Query,
    /// It seems to contain credentials.
    #[error(
        "it seems to contain credentials (an @); set them in the provider's own environment \
         variables, because URLs are logged and listed"
    )]
    Credentials,
}
