//! The absolute URL of a request, for the `instance` of a problem.

use axum::extract::OriginalUri;
use http::Request;
use http::header::HOST;

use crate::config::HttpConfig;

/// The URL under which the client asked. Without a configured one its authority is what the client
/// says, cut down to what an authority can hold; `X-Forwarded-*` from a stranger counts for nothing.
pub(crate) fn of<B>(request: &Request<B>, config: &HttpConfig) -> String {
    // Where the router is nested in another, its own part of the path was cut off.
    let uri = request
        .extensions()
        .get::<OriginalUri>()
        .map_or(request.uri(), |original| &original.0);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(public_url) = &config.public_url {
        return format!("{public_url}{path}");
    }
    let named = uri.authority().map(http::uri::Authority::as_str);
    let named = named.or_else(|| request.headers().get(HOST)?.to_str().ok());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let authority =
        named.filter(|name| !name.is_empty() && name.len() <= 255 && name.bytes().all(plain));
    let scheme = if config.https { "https" } else { "http" };
    format!("{scheme}://{}{path}", authority.unwrap_or("localhost"))
}
