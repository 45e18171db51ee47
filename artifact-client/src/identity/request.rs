//! Requests with JSON bodies.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::is_path_segment;
use crate::client::{Client, Repeat};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::response::{MAX_LIST, read_json};

impl Client {
    /// Reads an object. Repeats the request if the response was lost.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        operation: Operation,
        url: Url,
    ) -> Result<T> {
        self.read_by(operation, Method::GET, url).await
    }

    /// Reads an object by a request that changes nothing, whatever its method is. Repeats it if the response was lost.
    pub(crate) async fn read_by<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
    ) -> Result<T> {
        let mut retries = self.retries();
        let request = || self.request(method.clone(), url.clone());
        loop {
            let expected = [StatusCode::OK];
            let response = self
                .send(operation, &mut retries, Repeat::Always, request, &expected)
                .await?;
            match read_json(operation, response, MAX_LIST, self.stall_timeout()).await {
                Ok(value) => return Ok(value),
                Err(error) => retries.wait_before_retry(error).await?,
            }
        }
    }

    /// Changes an object and returns its new state.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<Bytes>,
    ) -> Result<T> {
        let response = self
            .send_change(operation, method, url, body, StatusCode::OK)
            .await?;
        read_json(operation, response, MAX_LIST, self.stall_timeout()).await
    }

    /// Changes an object. Repeats the request only if the server cannot have processed it.
    pub(crate) async fn send_change(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        expected: StatusCode,
    ) -> Result<Response> {
        let repeat = Repeat::IfNotProcessed;
        self.send_write(operation, method, url, body, repeat, expected)
            .await
    }

    /// Deletes something, and repeats the request after a lost response. With `may_be_gone`, `NotFound` then means
    /// that an earlier attempt has deleted it.
    pub(crate) async fn delete(
        &self,
        operation: Operation,
        url: Url,
        may_be_gone: bool,
    ) -> Result<()> {
        let retries = &mut self.retries();
        let request = || self.request(Method::DELETE, url.clone());
        let expected = &[StatusCode::NO_CONTENT];
        let sent = self.send(operation, retries, Repeat::Always, request, expected);
        match sent.await {
            Err(error)
                if may_be_gone && retries.may_be_done && error.kind() == ErrorKind::NotFound =>
            {
                Ok(())
            }
            sent => sent.map(drop),
        }
    }

    /// Sends a request that changes an object.
    pub(crate) async fn send_write(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        repeat: Repeat,
        expected: StatusCode,
    ) -> Result<Response> {
        let request = || {
            let request = self.request(method.clone(), url.clone());
            match body.clone() {
                Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
                None => request,
            }
        };
        let retries = &mut self.retries();
        self.send(operation, retries, repeat, request, &[expected])
            .await
    }
}

/// Encodes the body of a request.
pub(crate) fn json(operation: Operation, value: &impl Serialize) -> Result<Option<Bytes>> {
    let text = serde_json::to_vec(value).map_err(|error| {
        Error::invalid_input("the argument cannot be encoded as JSON")
            .with_operation(operation)
            .with_source(error)
    })?;
    Ok(Some(text.into()))
}

/// Returns the id of a worker, group or administrator as a path segment. Ids are opaque, but every id that a server
/// mints needs no escape.
pub(crate) fn id_segment(operation: Operation, id: &str) -> Result<&str> {
    if is_path_segment(id) {
        Ok(id)
    } else {
        Err(Error::invalid_input(
            "use an id that the server returned, such as wkr_..., grp_... or adm_...",
        )
        .with_operation(operation))
    }
}

/// Checks an id in a response, because it goes on to terminals and scripts.
pub(crate) fn check_id(operation: Operation, id: &str) -> Result<()> {
    if is_path_segment(id) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Protocol, operation)
            .with_response(200, None)
            .with_detail("an id in the response has characters that no id has"))
    }
}
