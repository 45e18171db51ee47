//! The endpoints under `/v1` that let others read an artifact or a collection: grants, links, and the fetch through a link.

mod expiry;
mod fetch_link;
mod grants;
mod links;

use artifact_store::Sharing;
use axum::extract::OriginalUri;
use http::HeaderValue;
use http::request::Parts;

pub(crate) use self::fetch_link::FetchLink;
pub(crate) use self::grants::{
    CreateCollectionGrant, CreateGrant, ListCollectionGrants, ListGrants, RevokeCollectionGrant,
    RevokeGrant,
};
pub(crate) use self::links::{CreateLink, ListLinks, RevokeLink};
use crate::management::Parameters;
use crate::problem::Problem;
use crate::router::Service;

/// The tag of these endpoints in the OpenAPI document.
pub(crate) const TAG: &str = "sharing";
/// The number of grants or links of a page, unless the request says another.
const DEFAULT_LIMIT: u32 = 100;

/// Returns the sharing of a router that has these endpoints.
fn sharing(service: &Service) -> Result<&Sharing, Problem> {
    let sharing = service.config.sharing();
    sharing.ok_or_else(|| Problem::internal("this router shares nothing"))
}

/// Parses the parameters of a list: the id after which a page begins, and the greatest number of records.
fn page<I: std::str::FromStr>(parts: &Parts) -> Result<(Option<I>, u32), Problem> {
    let given = Parameters::parse(parts.uri.query(), &["after", "limit"])?;
    let rule = "be the `next` of a page";
    let after = given.parsed("after", rule, |text| text.parse().ok())?;
    Ok((after, given.limit()?.unwrap_or(DEFAULT_LIMIT)))
}

/// Returns the position after a page, if it is full.
fn next<I: ToString>(limit: u32, number: usize, last: Option<I>) -> Option<String> {
    let is_full = u32::try_from(number).is_ok_and(|number| number == limit);
    last.filter(|_| is_full).map(|id| id.to_string())
}

/// Returns the path of a new record, as the client sees it: that of the request and an id.
fn location(parts: &Parts, id: &str) -> HeaderValue {
    let original = parts.extensions.get::<OriginalUri>();
    let path = original.map_or(parts.uri.path(), |original| original.path());
    let location = HeaderValue::from_str(&format!("{path}/{id}"));
    // The path of a request that was routed has no other characters.
    location.expect("a path and an id are visible ASCII")
}
