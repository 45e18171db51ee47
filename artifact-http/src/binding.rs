//! The names of the wire binding: where its paths begin, its header field, and its error types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderName;

use crate::endpoints::endpoints;

/// The error for a name that the wire binding cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBindingName(&'static str);

/// The path under which endpoints are: `/v0` by default, and `/v1` for the endpoints of management. `/healthz`, `/readyz` and
/// `/openapi.json` are not under it.
///
/// ```
/// use artifact_http::BasePath;
///
/// assert_eq!(BasePath::default().as_str(), "/v0");
/// assert_eq!(BasePath::new("/files/v1")?.as_str(), "/files/v1");
/// assert!(BasePath::new("files/").is_err());
/// # Ok::<(), artifact_http::InvalidBindingName>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct BasePath(Option<&'static Renamed>);

/// Another base path, and the templates of all endpoints under it by those under the default.
#[derive(Debug)]
struct Renamed {
    base: String,
    templates: BTreeMap<&'static str, String>,
}

impl BasePath {
    /// The default.
    pub const DEFAULT: &'static str = "/v0";
    /// The default for the endpoints of management.
    pub const MANAGEMENT: &'static str = "/v1";

    /// Parses a path: empty, or one or more times `/` and a segment of unreserved characters (RFC 3986, section
    /// 2.3), at most 200 bytes. No segment is `.` or `..`. The empty path puts `/experiments/...` at the root of
    /// the router.
    ///
    /// The process keeps every different path until its end, about 2 KiB each.
    ///
    /// # Errors
    ///
    /// [`InvalidBindingName`] for every other text.
    pub fn new(path: &str) -> Result<Self, InvalidBindingName> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_unreserved)
        };
        let mut segments = path.split('/');
        let is_path = segments.next() == Some("") && segments.all(is_segment);
        if !is_path || path.len() > 200 {
            return Err(InvalidBindingName(
                "a base path is empty or like /files/v1: up to 200 bytes, no slash at its end, and only the \
                 characters A-Z a-z 0-9 - . _ ~ between slashes",
            ));
        }
        Ok(Self((path != Self::DEFAULT).then(|| renamed(path))))
    }

    /// Returns the path as text.
    pub fn as_str(self) -> &'static str {
        self.0.map_or(Self::DEFAULT, |renamed| &renamed.base)
    }

    /// Returns what follows the base path, from its slash on, or `None` for another path.
    pub(crate) fn rest(self, path: &str) -> Option<&str> {
        let rest = path.strip_prefix(self.as_str())?;
        rest.starts_with('/').then_some(rest)
    }

    /// Returns the default for the endpoints of management.
    pub(crate) fn management() -> Self {
        Self(Some(renamed(Self::MANAGEMENT)))
    }

    /// Returns the template of an endpoint, given the one under the default base path.
    pub(crate) fn template(self, path: &'static str) -> &'static str {
        let renamed = self.0.and_then(|renamed| renamed.templates.get(path));
        renamed.map_or(path, |template| template)
    }
}

impl PartialEq for BasePath {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for BasePath {}

/// Returns the templates under a base path. They live as long as the process, so that each response can name
/// its own without a copy.
fn renamed(base: &str) -> &'static Renamed {
    static ALL: Mutex<BTreeMap<String, &'static Renamed>> = Mutex::new(BTreeMap::new());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(base.to_owned()).or_insert_with(|| {
        let templates = endpoints().iter().map(|endpoint| {
            let rest = endpoint.api().rest(endpoint.path);
            (endpoint.path, format!("{base}{}", rest.unwrap_or_default()))
        });
        Box::leak(Box::new(Renamed {
            base: base.to_owned(),
            templates: templates.collect(),
        }))
    })
}

/// The header field that repeats the experiment of the path, `X-Eden-Experiment-Id` by default.
///
/// ```
/// use artifact_http::ExperimentHeader;
///
/// assert_eq!(ExperimentHeader::new("X-Tenant")?.as_str(), "X-Tenant");
/// assert!(ExperimentHeader::new("Authorization").is_err());
/// # Ok::<(), artifact_http::InvalidBindingName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentHeader {
    name: HeaderName,
    text: Cow<'static, str>,
}

impl ExperimentHeader {
    /// The default.
    pub const DEFAULT: &'static str = "X-Eden-Experiment-Id";

    /// Parses the name of a field. Documents and messages show it as it is written here.
    ///
    /// # Errors
    ///
    /// [`InvalidBindingName`] if the text is no name of a field (RFC 9110, section 5.1), has more than 100 bytes, or is a
    /// field that the endpoints use for something else.
    pub fn new(name: &str) -> Result<Self, InvalidBindingName> {
        const USED: [&str; 11] = [
            "artifact-expires-in",
            "authorization",
            "content-",
            "host",
            "idempotency-key",
            "if-",
            "range",
            "repr-digest",
            "transfer-encoding",
            "connection",
            "expect",
        ];
        let invalid = InvalidBindingName(
            "an experiment header is like X-Tenant: the name of a header field, of up to 100 bytes, that HTTP \
             gives no other meaning",
        );
        let parsed: HeaderName = name.parse().map_err(|_| invalid)?;
        let is_used = USED.iter().any(|used| match used.strip_suffix('-') {
            Some(_) => parsed.as_str().starts_with(used),
            None => parsed.as_str() == *used,
        });
        if is_used || name.len() > 100 {
            return Err(invalid);
        }
        Ok(Self {
            name: parsed,
            text: name.to_owned().into(),
        })
    }

    /// Returns the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl Default for ExperimentHeader {
    fn default() -> Self {
        Self {
            name: HeaderName::from_static("x-eden-experiment-id"),
            text: Self::DEFAULT.into(),
        }
    }
}

/// What the `type` of problems begins with, before a name such as `not-found`; `eden://error/` by default.
///
/// ```
/// use artifact_http::ErrorPrefix;
///
/// assert_eq!(ErrorPrefix::new("urn:example:error:")?.as_str(), "urn:example:error:");
/// assert!(ErrorPrefix::new("errors/").is_err());
/// # Ok::<(), artifact_http::InvalidBindingName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPrefix(Cow<'static, str>);

impl ErrorPrefix {
    /// The default.
    pub const DEFAULT: &'static str = "eden://error/";

    /// Parses a prefix: the beginning of an absolute URI (RFC 3986, section 3), at most 200 bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBindingName`] if the text has no scheme, or a character that a URI has only percent-encoded.
    pub fn new(prefix: &str) -> Result<Self, InvalidBindingName> {
        let is_in_uris =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
        let is_in_schemes = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(is_in_schemes)
        };
        let scheme = prefix.split_once(':').map(|(scheme, _)| scheme);
        if scheme.is_some_and(is_scheme) && prefix.bytes().all(is_in_uris) && prefix.len() <= 200 {
            Ok(Self(prefix.to_owned().into()))
        } else {
            Err(InvalidBindingName(
                "an error prefix is the beginning of a URI, such as urn:example:error: or https://example.org/errors#, \
                 of up to 200 bytes",
            ))
        }
    }

    /// Returns the prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ErrorPrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_have_plain_segments() {
        for path in [
            "",
            "/v0",
            "/v1",
            "/api/files-2.0_~",
            "/x/v0",
            "/experiments",
        ] {
            let parsed = BasePath::new(path).unwrap();
            assert_eq!(parsed.as_str(), path);
            let template = parsed.template("/v0/experiments/{E}/artifacts");
            assert_eq!(template, format!("{path}/experiments/{{E}}/artifacts"));
            assert_eq!(parsed.rest(&format!("{path}/x")), Some("/x"));
            assert_eq!(parsed.rest(path), None);
            assert_eq!(parsed.rest(&format!("{path}x/y")), None);
        }
        let long = format!("/{}", "x".repeat(200));
        for path in [
            "/", "v0", "/v0/", "//v0", "/v0//x", "/.", "/../x", "/x/..", "/%76", "/{E}", "/a b",
            "/a?b", "/a#b", "/\u{e9}", "/*", "/:x", "http://x", &long,
        ] {
            BasePath::new(path).unwrap_err();
        }
    }

    #[test]
    fn equal_base_paths_share_their_templates() {
        let templates = ["/files", "/files"].map(|path| {
            let path = BasePath::new(path).unwrap();
            path.template("/v0/experiments/{E}").as_ptr()
        });
        assert_eq!(templates[0], templates[1]);
    }

    #[test]
    fn experiment_headers_are_names_without_another_meaning() {
        for name in ["X-Tenant", "x-eden-experiment-id", "Tenant", "Contented"] {
            let header = ExperimentHeader::new(name).unwrap();
            assert_eq!(header.as_str(), name);
            assert_eq!(header.name().as_str(), name.to_ascii_lowercase());
        }
        let long = "x".repeat(101);
        for name in [
            "",
            "X Tenant",
            "X:Tenant",
            "X-\u{e9}",
            "X\n",
            "Authorization",
            "HOST",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "range",
            &long,
        ] {
            ExperimentHeader::new(name).unwrap_err();
        }
    }

    #[test]
    fn error_prefixes_begin_with_a_scheme() {
        for prefix in [
            "eden://error/",
            "urn:a:",
            "https://example.org/errors#",
            "tag:x@y,2026:",
        ] {
            assert_eq!(ErrorPrefix::new(prefix).unwrap().as_str(), prefix);
        }
        let long = format!("urn:{}", "x".repeat(200));
        for prefix in [
            "",
            "errors/",
            "/errors/",
            ":x",
            "1a:",
            "a b:",
            "urn:\"",
            "urn:\\",
            "urn:<x>",
            "urn:\u{e9}",
            "urn:\n",
            "\u{e9}:",
            &long,
        ] {
            ErrorPrefix::new(prefix).unwrap_err();
        }
    }
}
