//! Deposits a body under a name in a collection.

use reqwest::Url;

use super::attempt::Deposit;
use super::checks::{check_content_type, check_expires_in, sha256_of};
use super::{Deposited, WantedReceipt};
use crate::body::{Body, ByteStream, Source};
use crate::client::Client;
use crate::deposit_options::DepositOptions;
use crate::error::{ErrorKind, Result};
use crate::multipart::Envelope;

/// A type that a server takes for none.
const NO_TYPE: &str = "application/x-www-form-urlencoded";

impl Client {
    /// Deposits a body under a name. If the name is given once an attempt may have succeeded, `find_equal` says whether that was
    /// this body.
    pub(crate) async fn deposit_at<F>(
        &self,
        name: Url,
        body: Body,
        options: DepositOptions,
        find_equal: impl Fn(ByteStream) -> F,
    ) -> Result<Deposited>
    where
        F: Future<Output = Result<Option<Deposited>>>,
    {
        let (source, body_size, bytes) = body.into_parts();
        let DepositOptions {
            content_type,
            size,
            expires_in,
            on_progress,
            receipt,
            ..
        } = options;
        // This type counts as none, so the server guesses one by the name.
        let content_type = content_type.as_deref().unwrap_or(NO_TYPE);
        check_content_type(content_type)?;
        check_expires_in(expires_in)?;
        let deposit = Deposit {
            client: self,
            file_name: None,
            key: None,
            name: Some(name),
            envelope: Envelope::none(content_type, bytes.as_deref().map(sha256_of)),
            size: size.or(body_size),
            expires_in,
            on_progress,
            receipt: WantedReceipt(receipt),
        };
        let open = match source {
            Source::Once(stream) => {
                let sent = deposit.send_once(stream).await;
                return sent.map_err(|failed| failed.error);
            }
            Source::Repeatable(open) => open,
        };
        let mut retries = self.retries();
        let mut may_be_stored = false;
        loop {
            match deposit.send_once(open()).await {
                Ok(deposited) => return Ok(deposited),
                Err(failed) if may_be_stored && failed.error.kind() == ErrorKind::AlreadyExists => {
                    return find_equal(open()).await?.ok_or(failed.error);
                }
                Err(failed) => {
                    retries.wait_before_retry(failed.error).await?;
                    may_be_stored |= !failed.nothing_stored;
                }
            }
        }
    }
}
