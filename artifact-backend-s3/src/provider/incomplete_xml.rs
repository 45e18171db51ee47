//! The lists of incomplete multipart uploads of S3 and Google, which have the same form.
//!
//! Sources: `ListMultipartUploads` and `ListParts` in the Amazon S3 API reference; "List multipart
//! uploads" and "List parts" in the Cloud Storage XML API.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use serde::Deserialize;

use crate::incomplete::{
    ArrivedParts, IncompleteUpload, IncompleteUploads, PartPage, UploadMarker, UploadPage,
};

/// Builds a provider's list requests: address and signature.
#[async_trait]
pub(super) trait ListRequests: Debug + Send + Sync + 'static {
    /// Builds a GET request for an object, or for the bucket if the key is empty, with this query.
    async fn get(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<HttpRequest, object_store::Error>;
}

pub(super) struct XmlIncompleteUploads<R> {
    client: HttpClient,
    requests: R,
    uploads: Arc<dyn MultipartStore>,
}

impl<R: ListRequests> XmlIncompleteUploads<R> {
    pub(super) fn new(client: HttpClient, requests: R, uploads: Arc<dyn MultipartStore>) -> Self {
        Self {
            client,
            requests,
            uploads,
        }
    }

    async fn page<P: for<'de> Deserialize<'de>>(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<P, object_store::Error> {
        let request = self.requests.get(key, query).await?;
        let response = self.client.execute(request).await.map_err(generic)?;
        let body = response.into_body().bytes().await.map_err(generic)?;
        quick_xml::de::from_reader(&*body).map_err(generic)
    }
}

#[async_trait]
impl<R: ListRequests> IncompleteUploads for XmlIncompleteUploads<R> {
    async fn list(
        &self,
        prefix: &Path,
        after: Option<&UploadMarker>,
    ) -> Result<UploadPage, object_store::Error> {
        let key_prefix = format!("{prefix}/");
        let mut query = vec![("uploads", ""), ("prefix", key_prefix.as_str())];
        if let Some(marker) = after {
            query.push(("key-marker", &marker.key));
            query.push(("upload-id-marker", &marker.upload_id));
        }
        let page: UploadsXml = self.page(&Path::default(), &query).await?;
        let mut uploads = Vec::with_capacity(page.uploads.len());
        for upload in page.uploads {
            // A key that is not a valid path cannot be one of this backend.
            let (Ok(key), Some(begun)) = (Path::parse(&upload.key), parse_time(&upload.initiated))
            else {
                continue;
            };
            if key.prefix_matches(prefix) {
                uploads.push(IncompleteUpload {
                    key,
                    upload_id: upload.upload_id,
                    begun,
                });
            }
        }
        let next = UploadMarker {
            key: page.next_key_marker,
            upload_id: page.next_upload_id_marker,
        };
        // A page that ends where it began would be followed by itself for ever.
        let advances = !next.key.is_empty() && Some(&next) != after;
        Ok(UploadPage {
            uploads,
            next: (page.is_truncated && advances).then_some(next),
        })
    }

    async fn parts(
        &self,
        upload: &IncompleteUpload,
        after: Option<&str>,
    ) -> Result<PartPage, object_store::Error> {
        let mut query = vec![("uploadId", upload.upload_id.as_str())];
        if let Some(marker) = after {
            query.push(("part-number-marker", marker));
        }
        let page: PartsXml = self.page(&upload.key, &query).await?;
        let mut parts = ArrivedParts::default();
        for part in page.parts {
            parts.add(ArrivedParts {
                bytes: part.size,
                largest: part.size,
                last: parse_time(&part.last_modified),
            });
        }
        let next = page.next_part_number_marker;
        let advances = !next.is_empty() && Some(next.as_str()) != after;
        Ok(PartPage {
            parts,
            next: (page.is_truncated && advances).then_some(next),
        })
    }

    async fn abort(&self, upload: &IncompleteUpload) -> Result<(), object_store::Error> {
        self.uploads
            .abort_multipart(&upload.key, &upload.upload_id)
            .await
    }
}

impl<R: Debug> Debug for XmlIncompleteUploads<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlIncompleteUploads")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UploadsXml {
    #[serde(default, rename = "Upload")]
    uploads: Vec<UploadEntry>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UploadEntry {
    key: String,
    upload_id: String,
    initiated: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PartsXml {
    #[serde(default, rename = "Part")]
    parts: Vec<PartEntry>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_part_number_marker: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PartEntry {
    last_modified: String,
    size: u64,
}

fn parse_time(text: &str) -> Option<SystemTime> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let since_epoch = Duration::from_millis(time.as_millisecond().try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// Builds a GET request for a URL.
pub(super) fn request(url: &str) -> Result<HttpRequest, object_store::Error> {
    http::Request::get(url)
        .body(HttpRequestBody::empty())
        .map_err(generic)
}

/// Builds a GET request for a URL with this query.
#[cfg(feature = "gcs")]
pub(super) fn request_with_query(
    url: &str,
    query: &[(&str, &str)],
) -> Result<HttpRequest, object_store::Error> {
    let url = url::Url::parse_with_params(url, query).map_err(generic)?;
    request(url.as_str())
}

fn generic(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: "multipart uploads",
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{PartsXml, UploadsXml, parse_time};

    #[test]
    fn both_lists_are_parsed() {
        let uploads: UploadsXml = quick_xml::de::from_str(
            "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Bucket>b</Bucket><KeyMarker/><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>\
             <Upload><Key>p/blobs/1</Key><UploadId>u1</UploadId>\
             <Initiated>2010-11-10T20:48:33.000Z</Initiated><Owner><ID>x</ID></Owner></Upload>\
             <Upload><Key>p/blobs/2</Key><UploadId>u2</UploadId>\
             <Initiated>2010-11-10T20:48:33Z</Initiated></Upload>\
             </ListMultipartUploadsResult>",
        )
        .unwrap();
        assert_eq!(uploads.uploads.len(), 2);
        assert_eq!(uploads.uploads[1].upload_id, "u2");
        assert!(uploads.is_truncated);
        assert_eq!(uploads.next_upload_id_marker, "u");
        assert_eq!(
            parse_time(&uploads.uploads[0].initiated),
            parse_time(&uploads.uploads[1].initiated)
        );

        let none: UploadsXml =
            quick_xml::de::from_str("<ListMultipartUploadsResult></ListMultipartUploadsResult>")
                .unwrap();
        assert!(none.uploads.is_empty() && !none.is_truncated);

        let parts: PartsXml = quick_xml::de::from_str(
            "<ListPartsResult><UploadId>u</UploadId><IsTruncated>false</IsTruncated>\
             <Part><PartNumber>1</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified>\
             <ETag>\"x\"</ETag><Size>10485760</Size></Part></ListPartsResult>",
        )
        .unwrap();
        assert_eq!(parts.parts[0].size, 10_485_760);
    }
}
