//! Deposits an artifact.

mod attempt;
mod checks;
mod named;
mod receipt;
mod response;

use artifact_backend::Sha256Digest;

use self::attempt::Deposit;
use self::checks::{
    cannot_resume, check_content_type, check_expires_in, is_form_type, no_keys, quoted, random_key,
    sha256_of,
};
use crate::body::{Body, Source};
use crate::client::Client;
use crate::deposit_options::DepositOptions;
use crate::error::Result;
use crate::multipart::Envelope;
use crate::resumable::{RESUMABLE_FROM, ResumableDeposit};

pub(crate) use self::receipt::{ReceivedReceipt, WantedReceipt};
pub(crate) use self::response::{DepositResponse, check_response};

/// A successful deposit. The server has made the bytes and their record durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deposited {
    /// The opaque URI: visible ASCII, at most 512 bytes. Pass it to
    /// [`fetch`](Client::fetch) unchanged.
    pub uri: String,
    /// The size in bytes. The client and the server counted the same.
    pub size_bytes: u64,
    /// The content type that the server recorded.
    pub content_type: String,
    /// The SHA-256 of the bytes that were sent, computed by the client.
    pub sha256: Sha256Digest,
    /// Whether the server confirmed this SHA-256 (`Repr-Digest` of the response). A server that does
    /// not send the field confirms only the size.
    pub verified: bool,
    /// The receipt that the server has signed, without a proof, if the deposit [asked](DepositOptions::with_receipt) for it. Nothing of
    /// it is verified: `artifact receipt verify` and the crate `artifact-receipt` do that.
    ///
    /// `None` if the server has no receipts or could not sign this one, and after [`put_file`](Client::put_file) if a lost response
    /// was found to be a success. [`Client::receipt`] then may have it.
    pub receipt: Option<String>,
}

impl Client {
    /// Deposits an artifact. It is streamed; memory does not grow with it.
    ///
    /// The client computes the SHA-256 of the bytes that it sends, and compares it with the SHA-256 that
    /// the server computed of the bytes that it stored. Of bytes in memory it sends the digest ahead,
    /// so that the server refuses other bytes (`BadRequest`) and keeps nothing of them.
    ///
    /// Each deposit has a random key (`Idempotency-Key`), or [one of the program](DepositOptions::with_idempotency_key), and creates
    /// one artifact, however often it is sent. So it is retried if another attempt may help, also if the response was lost. The
    /// [`Body`] must be one that can be sent again.
    ///
    /// A [`Body`] that can be sent again and whose size is known and at least 16 MiB is deposited by a resumable upload, if the server
    /// has them and the program gave no key: after a broken connection, only the bytes are sent that the server does not have. A
    /// program can go on with it after a restart, see [`with_on_upload`](DepositOptions::with_on_upload). If the future is dropped,
    /// the server keeps what has arrived until the upload expires.
    ///
    /// A server without the endpoints of management has no keys: see
    /// [`with_form_deposits`](crate::ClientBuilder::with_form_deposits). Deposits of the types `multipart/form-data` and
    /// `application/x-www-form-urlencoded` are forms, too, because the server would take them for what they say. A form is retried
    /// only if the failed attempt cannot have created an artifact: connecting failed, the status was 429, or the status was
    /// 503 before the server had the whole body; and
    /// [`with_orphans_allowed`](DepositOptions::with_orphans_allowed) also in other cases.
    ///
    /// If the future is dropped, the connection is closed. The server then keeps nothing, or, if it had the whole body, an
    /// artifact whose URI no client received.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind). [`DigestMismatch`](crate::ErrorKind::DigestMismatch) means that the server stored
    /// other bytes than were sent: discard the artifact whose URI the error names, and deposit again.
    /// `NotFound` means that no artifact server answers at this address. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) the artifact may exist; deposit again with the same key.
    pub async fn deposit(
        &self,
        body: impl Into<Body>,
        options: DepositOptions,
    ) -> Result<Deposited> {
        let (source, body_size, bytes) = body.into().into_parts();
        let DepositOptions {
            file_name,
            content_type,
            size,
            expires_in,
            orphans_allowed,
            idempotency_key,
            on_progress,
            upload,
            on_upload,
            receipt,
        } = options;
        let content_type = content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        check_content_type(content_type)?;
        check_expires_in(expires_in)?;
        let has_own_key = idempotency_key.is_some();
        let is_form = is_form_type(content_type) || self.deposits_forms();
        let key = match idempotency_key {
            Some(_) if is_form => return Err(no_keys()),
            Some(key) => Some(quoted(&key)?),
            None if is_form => None,
            None => Some(random_key()),
        };
        let mut deposit = Deposit {
            client: self,
            file_name,
            key,
            name: None,
            envelope: Envelope::none(content_type, bytes.as_deref().map(sha256_of)),
            size: size.or(body_size),
            expires_in,
            on_progress,
            receipt: WantedReceipt(receipt),
        };
        if is_form {
            deposit.use_form();
        }
        let can_resume = matches!(source, Source::Repeatable(_))
            && deposit.size.is_some()
            && deposit.key.is_some()
            && !has_own_key;
        if upload.is_some() && !can_resume {
            return Err(cannot_resume());
        }
        let open = match source {
            Source::Once(stream) => {
                let sent = deposit.send_once(stream).await;
                return sent.map_err(|failed| match &deposit.key {
                    Some(_) if failed.is_unknown_path => failed.error.with_detail(
                        "the server has no endpoints of management; for such a server, build the client with form deposits",
                    ),
                    _ => failed.error,
                });
            }
            Source::Repeatable(open) => open,
        };
        let is_resumable = |size: &u64| *size >= RESUMABLE_FROM || upload.is_some();
        if let Some(size) = deposit.size.filter(is_resumable)
            && can_resume
        {
            let resumable = ResumableDeposit {
                client: self,
                open: &open,
                size,
                file_name: deposit.file_name.as_deref(),
                content_type,
                expires_in,
                on_progress: deposit.on_progress.clone(),
                upload,
                on_upload,
                receipt: deposit.receipt,
            };
            if let Some(deposited) = Box::pin(resumable.run()).await? {
                return Ok(deposited);
            }
        }
        deposit.send(&open, has_own_key, orphans_allowed).await
    }
}
