//! The options of a deposit.

use std::time::Duration;

use crate::progress::{Progress, ProgressCallback};
use crate::resumable::UploadCallback;

/// The options of a deposit.
#[derive(Debug, Clone, Default)]
pub struct DepositOptions {
    pub(crate) file_name: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) orphans_allowed: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) on_progress: Option<ProgressCallback>,
    pub(crate) upload: Option<String>,
    pub(crate) on_upload: Option<UploadCallback>,
    pub(crate) receipt: bool,
}

impl DepositOptions {
    /// Sets the file name. The server keeps its last path component.
    #[must_use = "this returns the changed options"]
    pub fn with_file_name(mut self, file_name: impl Into<String>) -> Self {
        self.file_name = Some(file_name.into());
        self
    }

    /// Sets the content type: visible ASCII and spaces, at most 255 bytes. The default is
    /// `application/octet-stream`.
    #[must_use = "this returns the changed options"]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Sets the size in bytes. The server can then reject a deposit that is too large before it reads
    /// any byte. A body of another size is an error.
    #[must_use = "this returns the changed options"]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets how long the server keeps the artifact: 1 second to 100 years, in whole seconds. Without it, the
    /// [retention](crate::Client::retention) of the experiment decides.
    #[must_use = "this returns the changed options"]
    pub fn with_expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period);
        self
    }

    /// Sets the key of the deposit: 1 to 255 printable ASCII characters. Without it, each deposit gets a random one.
    ///
    /// With an own key, a program can repeat a deposit that it does not know the outcome of, for example after it was restarted:
    /// for a day, the server returns the same artifact for the same key and the same deposit. A key of another deposit is
    /// [`KeyReused`](crate::ErrorKind::KeyReused).
    #[must_use = "this returns the changed options"]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Allows to retry a deposit without a key whose response was lost, if its body can be sent again. The lost attempt may have
    /// created an artifact too, whose URI no client received. Only a deposit [by a form](crate::ClientBuilder::with_form_deposits)
    /// has no key.
    #[must_use = "this returns the changed options"]
    pub fn with_orphans_allowed(mut self) -> Self {
        self.orphans_allowed = true;
        self
    }

    /// Sets a function that is called for each chunk that goes to the connection. It must not block.
    #[must_use = "this returns the changed options"]
    pub fn with_progress(mut self, call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(ProgressCallback::new(call));
        self
    }

    /// Sets a function that is called with the id of a resumable upload as soon as the server has begun one. A program that
    /// keeps the id can go on with the upload after a restart, see [`with_upload`](Self::with_upload).
    #[must_use = "this returns the changed options"]
    pub fn with_on_upload(mut self, call: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_upload = Some(UploadCallback(std::sync::Arc::new(call)));
        self
    }

    /// Goes on with an upload that an earlier deposit of the same file began, under this id. The name, the type and the time that
    /// the artifact is kept are those of that deposit.
    ///
    /// The deposit fails with [`InvalidInput`](crate::ErrorKind::InvalidInput), and sends no byte of the file, if the server has no
    /// such upload of this principal (it may have expired), if it is one of another size, or if the body cannot be sent again or has
    /// no known size. If the file has changed since, the deposit fails with
    /// [`DigestMismatch`](crate::ErrorKind::DigestMismatch) once all bytes have arrived, and the artifact with bytes of both is
    /// deleted, or the error names it.
    #[must_use = "this returns the changed options"]
    pub fn with_upload(mut self, id: impl Into<Option<String>>) -> Self {
        self.upload = id.into();
        self
    }

    /// Asks for the signed receipt of the artifact, which is then in [`Deposited::receipt`](crate::Deposited::receipt). A server
    /// without receipts ignores this.
    ///
    /// ```
    /// # use artifact_client::{Client, Deposited, DepositOptions, Result};
    /// # async fn example(client: Client) -> Result<()> {
    /// let options = DepositOptions::default().with_receipt();
    /// let deposited = client.deposit("hello", options).await?;
    /// let Some(signed) = deposited.receipt else {
    ///     panic!("this server has no receipts");
    /// };
    /// assert!(signed.starts_with("artifact receipt v1\n"));
    ///
    /// // The same with the proof that the log of the server has it.
    /// let proven = client.receipt(&deposited.uri).await?;
    /// assert!(proven.starts_with(&signed));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "this returns the changed options"]
    pub fn with_receipt(mut self) -> Self {
        self.receipt = true;
        self
    }
}
