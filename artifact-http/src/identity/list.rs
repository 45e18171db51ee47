//! Whole lists as one JSON answer, which is sent page by page.

use std::error::Error;
use std::iter;
use std::sync::Arc;

use artifact_store::{DisplayName, ExperimentId, IdentityStore, ListPosition, Page, Result};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;

use super::request::{Filter, IdentityRequest};
use crate::concurrency_limiter::Permit;
use crate::problem::Problem;
use crate::response;

/// The end of the answer's only member, and of the answer.
const END: &[u8] = b"]}";

/// The maximum length of a piece in bytes. The server may hold a few of them for a slow client.
const PIECE: usize = 16 << 10;

/// A record of which a list is made.
pub(super) trait ListRecord: Sized + Send + 'static {
    /// The beginning of the answer, up to its first record.
    const START: &'static [u8];

    /// Reads the page after a position.
    fn page<'p>(
        identities: &'p dyn IdentityStore,
        experiment: &'p ExperimentId,
        name: Option<&'p DisplayName>,
        after: &'p ListPosition,
    ) -> BoxFuture<'p, Result<Page<Self>>>;

    /// Appends the record as JSON.
    fn append(&self, json: &mut Vec<u8>);
}

/// The reason why a list ended early. The server closes the connection without completing the body.
#[derive(Debug, thiserror::Error)]
#[error("the list could not be read to its end")]
struct Aborted;

/// Answers with the list that the request asks for.
///
/// The first page is read before the answer begins, so most errors are problems. A list of one page, or of
/// a few KiB, has a `Content-Length`. The further pages are read as the client takes them, and at most one
/// of them is in memory. If one cannot be read, the answer is aborted: its JSON is not complete, and neither
/// is its framing.
pub(super) async fn respond<R: ListRecord>(
    request: &IdentityRequest<'_>,
) -> Result<Response, Problem> {
    let name = match request.filter()? {
        Filter::All => None,
        Filter::Named(name) => Some(name),
        Filter::Nothing => return Ok(whole([R::START, END].concat())),
    };
    let permit = request.list_permit()?;
    let mut pages = Pages {
        identities: request.authenticator.share_identities(),
        experiment: request.experiment.id.clone(),
        name,
        separator: None,
    };
    let mut json = R::START.to_vec();
    let mut next = ListPosition::START;
    // Pages that hold little, such as those without a worker of the name, are joined.
    while json.len() <= PIECE {
        match pages.read::<R>(next, &mut json).await? {
            Some(after) => next = after,
            None => return Ok(hold(whole(json), permit)),
        }
    }
    let mut response = whole(Vec::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    let first = stream::iter([Ok(Bytes::from(json))]);
    *response.body_mut() = Body::from_stream(first.chain(pages.rest::<R>(next)));
    Ok(hold(response, permit))
}

/// Sends a body in pieces, and keeps a permit until the last one was handed over or the client is gone. A
/// body of one piece does not need the permit.
pub(crate) fn hold(response: Response, permit: Permit) -> Response {
    if response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= PIECE as u64)
    {
        return response;
    }
    response.map(|body| {
        let pages = body.into_data_stream();
        let pieces = pages.map_ok(|page| stream::iter(split(page).map(Ok::<_, axum::Error>)));
        Body::from_stream(pieces.try_flatten().inspect(move |_| {
            let _permit = &permit;
        }))
    })
}

fn split(mut page: Bytes) -> impl Iterator<Item = Bytes> {
    iter::from_fn(move || (!page.is_empty()).then(|| page.split_to(page.len().min(PIECE))))
}

fn whole(json: Vec<u8>) -> Response {
    response::with_body(StatusCode::OK, response::JSON, "no-store", json.into())
}

/// The pages of a list that is being sent.
#[derive(Debug)]
struct Pages {
    identities: Arc<dyn IdentityStore>,
    experiment: ExperimentId,
    name: Option<DisplayName>,
    /// What precedes the next record.
    separator: Option<u8>,
}

impl Pages {
    /// Appends the records of a page, and the end of the answer after the last one. Returns the position of
    /// the next page.
    async fn read<R: ListRecord>(
        &mut self,
        after: ListPosition,
        json: &mut Vec<u8>,
    ) -> Result<Option<ListPosition>> {
        let name = self.name.as_ref();
        let page = R::page(&*self.identities, &self.experiment, name, &after).await?;
        for record in &page.records {
            json.extend(self.separator.replace(b','));
            record.append(json);
        }
        if page.next.is_none() {
            json.extend_from_slice(END);
        }
        Ok(page.next)
    }

    /// Returns the pages after a position.
    fn rest<R: ListRecord>(
        self,
        next: ListPosition,
    ) -> impl Stream<Item = Result<Bytes, Aborted>> + Send {
        stream::try_unfold(Some((self, next)), |rest| async move {
            let Some((mut pages, after)) = rest else {
                return Ok(None);
            };
            let mut json = Vec::new();
            let next = pages.read::<R>(after, &mut json).await;
            let next = next.map_err(|error| {
                tracing::error!(
                    experiment = %pages.experiment,
                    error = &error as &dyn Error,
                    "reading a list failed while it was sent; the connection is closed"
                );
                Aborted
            })?;
            Ok(Some((json.into(), next.map(|next| (pages, next)))))
        })
    }
}
