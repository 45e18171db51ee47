//! `GET /v1/administrators`: one page of the named administrators.

use artifact_store::{ListPosition, Page};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::administrators::AdministratorBody;
use super::list;
use super::request::IdentityRequest;
use crate::endpoint::{Access, Endpoint};
use crate::management::{Parameters, number};
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::request::{AuthorizedRequest, Deployment};
use crate::response;

/// The number of administrators of a page, unless the request says another.
const DEFAULT_LIMIT: usize = 100;
/// The greatest number of administrators of a page.
const MAX_LIMIT: usize = 256;
/// The greatest length of an id in a cursor, in bytes.
const MAX_ID: usize = 64;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Administrators")]
struct ListBody<'p> {
    administrators: Vec<AdministratorBody<'p>>,
    /// How many records were left out because their stored values are invalid.
    unreadable: u64,
    /// The value of `after` for the next page, or `null` if this page is the last one. Opaque.
    #[schemars(extend("examples" = ["AAFhQm8AAABhZG1f"]))]
    next: Option<String>,
}

pub(crate) struct ListAdministrators;

impl ListAdministrators {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listAdministrators",
        method: Method::GET,
        path: "/v1/administrators",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "List the named administrators",
            clauses: &["M-1", "M-2", "O-1", "O-3", "L-2"],
            parameters: &[
                &parameters::ADMINISTRATORS_AFTER,
                &parameters::ADMINISTRATORS_LIMIT,
            ],
            answers: &[Answer::json::<ListBody<'static>>(
                200,
                "A page of the list.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_, Deployment>,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let given = Parameters::parse(request.query(), &["after", "limit"])?;
        let after = given.parsed("after", "be the `next` of a page", decode)?;
        let limit = given.parsed("limit", "be from 1 to 256", |text| {
            let limit = usize::try_from(number(text)?).ok()?;
            (1..=MAX_LIMIT).contains(&limit).then_some(limit)
        })?;
        let permit = request.list_permit()?;
        let after = after.unwrap_or(ListPosition::START);
        let page = request
            .identities()
            .administrator_page(&after, limit.unwrap_or(DEFAULT_LIMIT));
        let Page {
            records,
            unreadable,
            next,
            ..
        } = page.await?;
        let body = ListBody {
            administrators: records.iter().map(AdministratorBody::from).collect(),
            unreadable,
            next: next.as_ref().map(encode),
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}

/// Returns whether an id may be in a cursor. PostgreSQL refuses texts with NUL, and texts that are not UTF-8.
fn is_plain(id: &[u8]) -> bool {
    id.len() <= MAX_ID && id.iter().all(u8::is_ascii_graphic)
}

/// Encodes a position. After a record with an id that no server wrote, the list goes on with the next microsecond.
fn encode(position: &ListPosition) -> String {
    let (micros, id) = match position.id() {
        id if is_plain(id) => (position.micros(), id),
        _ => (position.micros().saturating_add(1), &b""[..]),
    };
    URL_SAFE_NO_PAD.encode([&micros.to_be_bytes(), id].concat())
}

fn decode(text: &str) -> Option<ListPosition> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (micros, id) = bytes.split_first_chunk()?;
    is_plain(id).then(|| ListPosition::new(i64::from_be_bytes(*micros), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_hold_positions() {
        let id = "adm_0123456789abcdefghjkmnpqrs";
        for position in [
            ListPosition::new(1_700_000_000_000_000, id),
            ListPosition::new(-1, id),
            ListPosition::new(i64::MAX, ""),
        ] {
            assert_eq!(decode(&encode(&position)), Some(position));
        }
        for odd in [&b"\0"[..], b"\xff", b" ", &[b'x'; MAX_ID + 1]] {
            let next = decode(&encode(&ListPosition::new(7, odd)));
            assert_eq!(next, Some(ListPosition::new(8, "")));
        }
    }

    #[test]
    fn texts_that_are_no_cursors_are_refused() {
        let cursor = |id: &[u8]| URL_SAFE_NO_PAD.encode([&[0; 8], id].concat());
        assert!(decode(&cursor(b"adm_x")).is_some());
        for text in [
            String::new(),
            "17".to_owned(),
            "AAAA".to_owned(),
            "\u{e4}".to_owned(),
            cursor(b"a\0"),
            cursor(b"\xff"),
            cursor(&[b'x'; MAX_ID + 1]),
        ] {
            assert_eq!(decode(&text), None, "{text}");
        }
    }
}
