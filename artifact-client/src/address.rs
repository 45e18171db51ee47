//! URLs: the server's address, path segments and the query parameter.

use std::path::PathBuf;

use artifact_backend::host;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::error::{Error, Result};

/// Parses and checks the address of a server: a URL, or `unix:` and the path of a socket. The URL for a socket is one
/// that names this machine.
pub(crate) fn parse_server(text: &str) -> Result<(Url, Option<PathBuf>)> {
    match text.strip_prefix("unix:") {
        Some("") => Err(Error::invalid_input(
            "write the path of the server's socket after unix:, like unix:/run/artifact.sock",
        )),
        Some(_) if !cfg!(unix) => Err(Error::invalid_input(
            "this system has no Unix sockets; write the server's address like http://127.0.0.1:8080",
        )),
        Some(path) => Ok((parse_base_url("http://localhost")?, Some(path.into()))),
        None => Ok((parse_base_url(text)?, None)),
    }
}

/// Parses and checks the URL of a server.
fn parse_base_url(text: &str) -> Result<Url> {
    let example = "write the server's address like http://127.0.0.1:8080";
    let url = Url::parse(text).map_err(|error| Error::invalid_input(example).with_source(error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::invalid_input(example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid_input(
            "the server's address contains a credential, which logs would show; \
             pass the credential separately",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid_input(
            "the server's address must not have a query or a fragment",
        ));
    }
    if url.scheme() == "https" && !cfg!(feature = "tls") {
        return Err(Error::invalid_input(
            "this build does not support https://; enable the feature `tls`",
        ));
    }
    Ok(url)
}

/// Returns whether the URL's host is `localhost` or a loopback IP address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    host::is_loopback(url.host_str().unwrap_or_default())
}

/// Returns whether `text` is a path segment that needs no escape: 1 to 128 unreserved characters of
/// RFC 3986, and not a dot segment.
pub(crate) fn is_path_segment(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(unreserved) && !matches!(text, "." | "..")
}

/// Everything but the unreserved characters of RFC 3986. A space becomes `%20`, never `+`: a server
/// that follows only that RFC would read `+` as a plus sign.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Sets the query to one parameter.
pub(crate) fn with_parameter(mut url: Url, name: &str, value: &str) -> Url {
    with_parameters(&mut url, [(name, value)]);
    url
}

/// Sets the query to these parameters. Their names need no escape.
pub(crate) fn with_parameters<'p>(
    url: &mut Url,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
) {
    let pairs = parameters.into_iter().map(|(name, value)| {
        let value = utf8_percent_encode(value, RESERVED);
        format!("{name}={value}")
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    url.set_query(
        Some(&query)
            .filter(|query| !query.is_empty())
            .map(|query| &**query),
    );
}
