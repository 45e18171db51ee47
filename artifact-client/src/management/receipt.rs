//! The receipt of an artifact.

use reqwest::{Method, StatusCode};

use crate::client::{Client, Repeat};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::response::{MAX_OBJECT, read_body};

impl Client {
    /// Returns the signed receipt of an artifact with the proof that the log of the server has it, as a text. Allowed for those who may
    /// fetch the artifact. Nothing is verified: `artifact receipt verify` and the crate `artifact-receipt` do that, without a server.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if this is not the URI of an artifact; `NotFound`, also for an artifact that was deposited before the log began, and if the
    /// server has no receipts; `Forbidden`; `Protocol` if the response is no text; and those of every request.
    pub async fn receipt(&self, uri: &str) -> Result<String> {
        let operation = Operation::ReadReceipt;
        let url = self.managed_url(operation, uri, &["receipt"])?;
        let request = || self.request(Method::GET, url.clone());
        let mut retries = self.retries();
        let expected = [StatusCode::OK];
        let response = self.send(operation, &mut retries, Repeat::Always, request, &expected);
        let response = response.await?;
        let body = read_body(operation, response, MAX_OBJECT, self.stall_timeout()).await?;
        String::from_utf8(body.to_vec()).map_err(|_| {
            Error::new(ErrorKind::Protocol, operation)
                .with_response(200, None)
                .with_detail("the receipt in the response is no text")
        })
    }
}
