//! One request with JSON in and out.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::is_segment;
use crate::client::{Client, unanswered};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::problem::{read_bounded, refusal};

/// The greatest answer that is read into memory, in bytes: lists have no pages.
const MAX_LIST: usize = 64 * 1024 * 1024;

impl Client {
    /// Reads something, again where the answer was lost.
    pub(crate) async fn read_json<T: DeserializeOwned>(
        &self,
        operation: Operation,
        url: Url,
    ) -> Result<T> {
        let mut retries = self.retries();
        let request = || self.request(Method::GET, url.clone());
        loop {
            let answer = self
                .ask(operation, &mut retries, request, &[StatusCode::OK])
                .await?;
            match read_bounded(self, operation, answer, MAX_LIST).await {
                Ok(body) => return parse(operation, &body),
                Err(error) => retries.wait(error).await?,
            }
        }
    }

    /// Changes something, and reads what it is now.
    pub(crate) async fn change_json<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<Bytes>,
    ) -> Result<T> {
        let answer = self
            .change(operation, method, url, body, StatusCode::OK)
            .await?;
        let body = read_bounded(self, operation, answer, MAX_LIST).await?;
        parse(operation, &body)
    }

    /// Changes something. It is sent again only where the server cannot have done it: no connection
    /// came about, or it said 429.
    pub(crate) async fn change(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        expected: StatusCode,
    ) -> Result<Response> {
        let mut retries = self.retries();
        loop {
            let mut request = self.request(method.clone(), url.clone());
            if let Some(body) = body.clone() {
                request = request.header(CONTENT_TYPE, "application/json").body(body);
            }
            let error = match self.within(operation, request.send()).await? {
                Ok(answer) if answer.status() == expected => return Ok(answer),
                Ok(answer) => {
                    let untouched = answer.status() == StatusCode::TOO_MANY_REQUESTS;
                    let error = refusal(self, operation, answer).await;
                    if !untouched {
                        return Err(error);
                    }
                    error
                }
                Err(error) if error.is_connect() => unanswered(operation, error),
                Err(error) => return Err(unanswered(operation, error)),
            };
            retries.wait(error).await?;
        }
    }
}

fn parse<T: DeserializeOwned>(operation: Operation, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        // The message names the place and the field, never a value that could be a secret.
        Error::new(ErrorKind::Protocol, operation)
            .with_answer(200, None)
            .with_detail(format!(
                "the answer is not the JSON it should be, line {} column {}",
                error.line(),
                error.column()
            ))
    })
}

/// The body of a request.
pub(crate) fn json(operation: Operation, value: &impl Serialize) -> Result<Option<Bytes>> {
    let text = serde_json::to_vec(value).map_err(|error| {
        Error::invalid("that cannot be written as JSON")
            .with_operation(operation)
            .with_source(error)
    })?;
    Ok(Some(text.into()))
}

/// An id of a worker or a group as it goes into a path. It is opaque, but each that a server mints
/// stands there without an escape.
pub(crate) fn segment(operation: Operation, id: &str) -> Result<&str> {
    if is_segment(id) {
        Ok(id)
    } else {
        Err(
            Error::invalid("an id is one that the server gave, such as wkr_... or grp_...")
                .with_operation(operation),
        )
    }
}

/// An id in an answer, which goes on to terminals and scripts.
pub(crate) fn check_id(operation: Operation, id: &str) -> Result<()> {
    if is_segment(id) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Protocol, operation)
            .with_answer(200, None)
            .with_detail("an id in the answer is none"))
    }
}
