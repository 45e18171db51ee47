//! Collections: files under names that are given once.

mod file;
mod manifest;
mod model;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;

use crate::address::with_parameters;
use crate::client::{Client, Repeat};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::{check_id, id_segment, json};
use crate::response::{MAX_OBJECT, read_json};

pub use model::{
    Collection, CollectionFile, CollectionPage, FileFilter, FilePage, Manifest, ManifestTotal,
};

/// The characters of a name that need no escape in a path (RFC 3986, section 3.3), and the slash.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

#[derive(Serialize)]
struct NewCollection<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'t str>,
}

impl Client {
    /// Creates an empty collection, which belongs to the principal of the credential.
    ///
    /// ```no_run
    /// # async fn example(client: &artifact_client::Client) -> artifact_client::Result<()> {
    /// use artifact_client::{DepositOptions, FileFilter};
    ///
    /// let collection = client.create_collection(Some("Run 7")).await?.id;
    /// let options = DepositOptions::default();
    /// client.put_file(&collection, "loss.csv", "0.5", options).await?;
    /// let manifest = client.seal_collection(&collection).await?;
    /// println!("{} files, {}", manifest.total.files, manifest.total.sha256);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidName` for an invalid title; `NotFound` if the server has no collections; and those of every request. After
    /// [`Interrupted`](ErrorKind::Interrupted) it may exist.
    pub async fn create_collection(&self, title: Option<&str>) -> Result<Collection> {
        let operation = Operation::CreateCollection;
        let url = self.management_url(&["collections"]);
        let body = json(operation, &NewCollection { title })?;
        let sent = self.send_change(operation, Method::POST, url, body, StatusCode::CREATED);
        let response = sent.await?;
        let created: Collection =
            read_json(operation, response, MAX_OBJECT, self.stall_timeout()).await?;
        check_id(operation, &created.id)?;
        Ok(created)
    }

    /// Returns what is recorded about a collection.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn collection(&self, id: &str) -> Result<Collection> {
        let operation = Operation::ReadCollection;
        let url = self.collection_url(operation, id, &[])?;
        self.read(operation, url).await
    }

    /// Reads one page of the list of collections, the oldest first: the first one, or the one after `after`, which is
    /// [`next`](CollectionPage::next) of the page before it. Only administrators see those of others.
    ///
    /// # Errors
    ///
    /// `NotFound` if the server has no collections, and those of every request.
    pub async fn collections(&self, after: Option<&str>) -> Result<CollectionPage> {
        let operation = Operation::ListCollections;
        let mut url = self.management_url(&["collections"]);
        with_parameters(&mut url, after.map(|after| ("after", after)));
        let page: CollectionPage = self.read(operation, url).await?;
        for collection in &page.collections {
            check_id(operation, &collection.id)?;
        }
        Ok(page)
    }

    /// Reads one page of the list of the files of a collection, in the order of the bytes of their names: the first one, or the
    /// one after `after`, which is [`next`](FilePage::next) of the page before it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, `BadRequest` for a filter that the server cannot read, and those of every request.
    pub async fn files(
        &self,
        id: &str,
        filter: &FileFilter,
        after: Option<&str>,
    ) -> Result<FilePage> {
        let operation = Operation::ListFiles;
        let mut url = self.collection_url(operation, id, &["files"])?;
        let given = filter.parameters();
        with_parameters(&mut url, given.chain(after.map(|after| ("after", after))));
        self.read(operation, url).await
    }

    /// Seals a collection, and returns its manifest. One that is sealed already stays as it is, so this is repeated after a lost
    /// response.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, `Sealed` if it is being deleted, `DigestMismatch` if the manifest does not fit its digest, and those
    /// of every request.
    pub async fn seal_collection(&self, id: &str) -> Result<Manifest> {
        let operation = Operation::SealCollection;
        let url = self.collection_url(operation, id, &["seal"])?;
        self.read_manifest(operation, Method::POST, url).await
    }

    /// Returns the manifest of a sealed collection.
    ///
    /// # Errors
    ///
    /// `NotFound`, also if the collection is not sealed, `Forbidden`, `DigestMismatch` if the manifest does not fit its digest, and
    /// those of every request.
    pub async fn manifest(&self, id: &str) -> Result<Manifest> {
        let operation = Operation::ReadManifest;
        let url = self.collection_url(operation, id, &["manifest"])?;
        self.read_manifest(operation, Method::GET, url).await
    }

    /// Deletes a collection with its files. Allowed for its owner and the admin.
    ///
    /// The request is repeated after a lost response. If the server then has no such collection, an earlier attempt has deleted it,
    /// and the call succeeds.
    ///
    /// # Errors
    ///
    /// `Held` if a hold is on one of its files; `NotFound`, `Forbidden`, and those of every request.
    pub async fn delete_collection(&self, id: &str) -> Result<()> {
        let operation = Operation::DeleteCollection;
        let url = self.collection_url(operation, id, &[])?;
        self.delete(operation, url, true).await
    }

    /// Returns the URL of a collection, with `more` appended.
    pub(crate) fn collection_url(
        &self,
        operation: Operation,
        id: &str,
        more: &[&str],
    ) -> Result<Url> {
        let id = id_segment(operation, id)?;
        Ok(self.management_url(&[&["collections", id], more].concat()))
    }

    /// Returns the URL of a file. `Url` itself would drop the segments `.` and `..`, which no name has.
    pub(crate) fn file_url(&self, operation: Operation, id: &str, name: &str) -> Result<Url> {
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        if !name.split('/').all(is_segment) {
            let detail = "no part of a name between slashes is empty, `.` or `..`";
            return Err(Error::invalid_input(detail).with_operation(operation));
        }
        let mut url = self.collection_url(operation, id, &["files"])?;
        let path = format!("{}/{}", url.path(), utf8_percent_encode(name, NAME));
        url.set_path(&path);
        Ok(url)
    }

    async fn read_manifest(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
    ) -> Result<Manifest> {
        let request = || self.request(method.clone(), url.clone());
        let mut retries = self.retries();
        loop {
            let expected = [StatusCode::OK];
            let sent = self.send(operation, &mut retries, Repeat::Always, request, &expected);
            let response = sent.await?;
            let read = read_json::<Manifest>(
                operation,
                response,
                manifest::MAX_BYTES,
                self.stall_timeout(),
            );
            match read.await {
                Ok(found) if found.is_consistent() => return Ok(found),
                Ok(_) => {
                    return Err(Error::new(ErrorKind::DigestMismatch, operation)
                        .with_detail("the files of the manifest do not have its digest"));
                }
                Err(error) => retries.wait_before_retry(error).await?,
            }
        }
    }
}
