//! `GET /v1/experiments/{E}/collections/{C}/files`: one page of the files of a collection.

use artifact_store::{CollectionId, CollectionPath, FileQuery};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::bodies::FileBody;
use super::collections;
use crate::endpoint::{Access, Endpoint};
use crate::identity::list;
use crate::management::{Parameters, page_limit};
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CollectionFiles")]
struct FilesBody<'f> {
    files: Vec<FileBody<'f>>,
    /// With `delimiter=/`: the parts of names up to and with the slash, instead of the files below them.
    #[schemars(extend("examples" = [["runs/"]]))]
    folders: &'f [String],
    /// The value of `after` for the next page, or `null` if this page is the last one. Opaque.
    #[schemars(extend("examples" = [null]))]
    next: Option<&'f str>,
}

pub(crate) struct ListFiles;

impl ListFiles {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listFiles",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections/{C}/files",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "List the files of a collection",
            clauses: &["M-1", "M-2", "K-2", "K-9"],
            parameters: &[
                &parameters::PREFIX,
                &parameters::DELIMITER,
                &parameters::AFTER_FILE,
                &parameters::LIMIT,
            ],
            answers: &[Answer::json::<FilesBody<'static>>(
                200,
                "A page of the list, in the order of the bytes of the names.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        let known = ["prefix", "delimiter", "after", "limit"];
        let given = Parameters::parse(request.parts.uri.query(), &known)?;
        let rule = "have at most 1024 bytes, and no control character";
        let prefix = given.parsed("prefix", rule, |text| {
            is_prefix(text).then(|| text.to_owned())
        })?;
        let rule = "be `/`";
        let delimiter = given.parsed("delimiter", rule, |text| (text == "/").then_some(()))?;
        let rule = "be the `next` of a page";
        let after = given.parsed("after", rule, |text| {
            is_entry(text).then(|| text.to_owned())
        })?;
        let limit = page_limit(&given)?;
        let mut query = FileQuery::with_prefix(prefix.unwrap_or_default()).after(after);
        if delimiter.is_some() {
            query = query.by_folder();
        }
        let (service, principal) = (request.service, &request.principal);
        let permit = service.lists.acquire(principal)?;
        let listed =
            collections(service)?.files(principal, &request.experiment.id, id, &query, limit);
        let page = listed.await?;
        let prefix = &service.config.uri_prefix;
        let body = FilesBody {
            files: page
                .files
                .iter()
                .map(|file| FileBody::new(file, prefix))
                .collect(),
            folders: &page.folders,
            next: page.next.as_deref(),
        };
        Ok(list::hold(response::json(StatusCode::OK, &body), permit))
    }
}

fn is_prefix(text: &str) -> bool {
    text.len() <= CollectionPath::MAX_LEN && !text.chars().any(char::is_control)
}

/// Returns whether a text is a name, or a part of one up to and with a slash.
fn is_entry(text: &str) -> bool {
    let name = text.strip_suffix('/').unwrap_or(text);
    name.parse::<CollectionPath>().is_ok()
}
