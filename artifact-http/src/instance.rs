//! The absolute URL of a request, for the member `instance` of a problem.

use axum::extract::OriginalUri;
use http::Request;
use http::header::HOST;

use crate::config::HttpConfig;

/// Returns the URL that the client requested. Without a configured `public_url`, the authority is the
/// one that the client sent, if it has only valid characters. `X-Forwarded-*` is ignored, because any
/// client can send it.
pub(crate) fn of<B>(request: &Request<B>, config: &HttpConfig) -> String {
    // An outer router removes its part of the path from the request's URI.
    let uri = request
        .extensions()
        .get::<OriginalUri>()
        .map_or(request.uri(), |original| &original.0);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(public_url) = &config.public_url {
        return format!("{public_url}{path}");
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let authority = authority.or_else(|| request.headers().get(HOST)?.to_str().ok());
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let authority = authority
        .filter(|text| !text.is_empty() && text.len() <= 255 && text.bytes().all(is_valid));
    let scheme = if config.https { "https" } else { "http" };
    format!("{scheme}://{}{path}", authority.unwrap_or("localhost"))
}
