//! Which bucket, and where in it.

use std::fmt;

/// Whose storage it is.
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
    /// The provider that a URL's scheme, in lower case, stands for.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Self::S3),
            "gs" | "gcs" => Some(Self::Gcs),
            "az" | "azure" => Some(Self::Azure),
            _ => None,
        }
    }

    /// The scheme of its URLs.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    /// The cargo feature that this needs.
    pub const fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azure => "azure",
        }
    }

    /// Whether this build can reach it.
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
/// The bucket has 3 to 222 characters of `a-z 0-9 . - _`; which of them a provider allows, it says
/// itself. The prefix may be empty; else it is one or more names of `A-Z a-z 0-9 . - _ = +` with a
/// slash between each two, none of them `.` or `..`, of at most 512 characters in all. A slash at
/// the end means nothing. Credentials, a query or a fragment are refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketUrl {
    provider: Provider,
    bucket: String,
    prefix: String,
}

impl BucketUrl {
    /// Reads what follows the colon of a URL whose scheme said the provider: `//bucket/prefix`.
    ///
    /// # Errors
    ///
    /// [`InvalidBucketUrl`], which says the rule and repeats nothing of the text.
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

    /// Reads a whole URL.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and for a scheme that is none of `s3`, `gs` and `az`.
    pub fn parse(url: &str) -> Result<Self, InvalidBucketUrl> {
        let (scheme, rest) = url.split_once(':').ok_or(InvalidBucketUrl::Scheme)?;
        let provider = Provider::of_scheme(&scheme.to_ascii_lowercase());
        Self::new(provider.ok_or(InvalidBucketUrl::Scheme)?, rest)
    }

    /// Whose storage it is.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The bucket, or Azure's container.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The prefix, without slashes at its ends; empty where there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// The prefix without the slash at its end, if it keeps the grammar.
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

/// Why a text names no place in a bucket. No message repeats anything of the text: there may be a
/// secret in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBucketUrl {
    /// The scheme is none of ours.
    #[error("the scheme must be s3:, gs: or az:")]
    Scheme,
    /// There is no bucket in it.
    #[error("it names no bucket; write two slashes and the bucket, as in s3://bucket/prefix")]
    NoBucket,
    /// The bucket's name breaks the rules that all providers have.
    #[error(
        "the bucket's name must have 3 to 222 characters, each a lower-case letter, a digit, or \
         one of . - _"
    )]
    Bucket,
    /// The prefix breaks the grammar.
    #[error(
        "what follows the bucket must be names of letters, digits and . - _ = +, with single \
         slashes between them, of at most 512 characters in all"
    )]
    Prefix,
    /// There is a query, a fragment or a percent sign in it.
    #[error("a query, a fragment or a % has no meaning here; options have settings of their own")]
    Query,
    /// There seem to be credentials in it.
    #[error(
        "it seems to hold credentials (an @); they never stand in a URL, which is logged and \
         listed, but in the provider's own environment variables"
    )]
    Credentials,
}
