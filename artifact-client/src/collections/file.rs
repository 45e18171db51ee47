//! The files of a collection.

use artifact_backend::Sha256Digest;
use futures_util::StreamExt as _;
use sha2::{Digest, Sha256};

use super::model::{CollectionFile, FileFilter};
use crate::body::{Body, ByteStream};
use crate::client::Client;
use crate::deposit::Deposited;
use crate::deposit_options::DepositOptions;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::fetch::{FetchOptions, Fetched};

impl Client {
    /// Deposits a file under a name that was not given before. Of the options, the file name, the idempotency key and
    /// the permission to leave orphans have no effect. Without a content type, the server guesses it by the name.
    ///
    /// The deposit is repeated after a lost response if the body can be read again. If the name is then given, an earlier attempt
    /// may have succeeded: the SHA-256 of the file there is compared with that of the body, and if it is the same, the call
    /// succeeds.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name was given before, or one above or below it; `Sealed` if the collection is sealed; `InvalidInput`
    /// and `BadRequest` for an invalid name; `NotFound`, `Forbidden`; and those of [`deposit`](Self::deposit).
    pub async fn put_file(
        &self,
        collection: &str,
        name: &str,
        body: impl Into<Body>,
        options: DepositOptions,
    ) -> Result<Deposited> {
        let url = self.file_url(Operation::Deposit, collection, name)?;
        let repeated = |open: ByteStream| self.find_equal(collection, name, open);
        self.deposit_at(url, body.into(), options, repeated).await
    }

    /// Begins to fetch a file by its name. See [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an invalid name, and those of [`fetch`](Self::fetch).
    pub async fn fetch_file(&self, collection: &str, name: &str) -> Result<Fetched> {
        let options = FetchOptions::default();
        self.fetch_file_with(collection, name, options).await
    }

    /// Begins to fetch a file by its name, with options. See [`fetch_with`](Self::fetch_with).
    ///
    /// # Errors
    ///
    /// As [`fetch_file`](Self::fetch_file).
    pub async fn fetch_file_with(
        &self,
        collection: &str,
        name: &str,
        options: FetchOptions,
    ) -> Result<Fetched> {
        let url = self.file_url(Operation::Fetch, collection, name)?;
        self.fetch_url(Operation::Fetch, url, options).await
    }

    /// Deletes a file. Its name is never given again. The request is repeated after a lost response.
    ///
    /// # Errors
    ///
    /// `Held`, `Sealed`, `NotFound`, `Forbidden`, `InvalidInput` for an invalid name, and those of every request.
    pub async fn delete_file(&self, collection: &str, name: &str) -> Result<()> {
        let operation = Operation::DeleteFile;
        let url = self.file_url(operation, collection, name)?;
        self.delete(operation, url, true).await
    }

    /// Finds the file with a name if it has the bytes of a stream.
    async fn find_equal(
        &self,
        collection: &str,
        name: &str,
        mut stream: ByteStream,
    ) -> Result<Option<Deposited>> {
        let mut hasher = Sha256::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                Error::new(ErrorKind::Source, Operation::Deposit).with_source(error)
            })?;
            hasher.update(&chunk);
        }
        let sha256 = Sha256Digest::from_bytes(hasher.finalize().into());
        let filter = FileFilter::default().with_prefix(name).with_limit(1);
        let page = self.files(collection, &filter, None).await?;
        let found = page.files.into_iter().next();
        let found = found.filter(|found| found.name == name && found.sha256 == sha256);
        Ok(found.map(|found| {
            let CollectionFile {
                uri,
                size_bytes,
                content_type,
                ..
            } = found;
            Deposited {
                uri,
                size_bytes,
                content_type,
                sha256,
                verified: true,
                receipt: None,
            }
        }))
    }
}
