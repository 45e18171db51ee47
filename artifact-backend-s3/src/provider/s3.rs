//! Amazon S3, and servers that speak its protocol.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::Result;
use async_trait::async_trait;
use http::Method;
use http::header::{HeaderValue, IF_NONE_MATCH};
use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpError, HttpRequest};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use tokio::sync::OnceCell;

use super::pending_xml::{self, Requests, XmlPending};
use super::{TIMEOUT, allow_http, check_part_bytes, no_retries, plain_client, refused};
use crate::backend::ObjectStoreBackend;
use crate::config::S3Config;
use crate::connector::{Adjust, Connector, has_query};
use crate::core::Traits;
use crate::multipart::Large;

impl ObjectStoreBackend {
    /// A backend in the bucket that a builder names, under a prefix that may be empty.
    ///
    /// Of the builder, the connector, the retries, the time-out and the conditional put are ours;
    /// everything else, such as credentials, encryption and a proxy, is as it was set.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the prefix, the size of a part or what the builder was given cannot be
    /// used.
    pub fn s3(builder: AmazonS3Builder, prefix: &str, config: S3Config) -> Result<Self> {
        check_part_bytes(&config)?;
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        let asked_for = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
        let asked_for = builder.get_config_value(&asked_for).as_deref() == Some("true");
        let allow_http = allow_http(endpoint.as_deref(), asked_for)?;
        let (key, value) = TIMEOUT;
        let store = builder
            .with_allow_http(allow_http)
            .with_config(AmazonS3ConfigKey::Client(key), value)
            .with_config(AmazonS3ConfigKey::ConditionalPut, "etag")
            // One request that every server knows, in place of one for many keys.
            .with_disable_bulk_delete(true)
            .with_retry(no_retries())
            .with_http_connector(Connector::new(AdjustS3))
            .build()
            .map_err(refused)?;
        let client = plain_client(&Connector::new(AdjustS3), allow_http)?;
        let store = Arc::new(store);
        let requests = SignedRequests(Arc::clone(&store));
        let traits = Traits {
            large: Large::Exclusive {
                parts: Arc::clone(&store) as _,
                marked_at_the_end: false,
            },
            pending: Some(Arc::new(XmlPending::new(
                client,
                requests,
                Arc::clone(&store) as _,
            ))),
            marks: OnceCell::new_with(Some(true)),
            is_cloud: true,
            suffix_ranges: true,
        };
        Self::new(store, prefix, config, traits)
    }
}

/// `CompleteMultipartUpload` with `If-None-Match: *`, which need not be signed: only the host and
/// `x-amz-*` must be.
#[derive(Debug)]
struct AdjustS3;

#[async_trait]
impl Adjust for AdjustS3 {
    fn completes_upload(&self, request: &HttpRequest) -> bool {
        request.method() == Method::POST && has_query(request, "uploadId")
    }

    async fn make_exclusive(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let headers = request.headers_mut();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        Ok(())
    }
}

/// `ListMultipartUploads` and `ListParts`, signed in the query.
#[derive(Debug)]
struct SignedRequests(Arc<AmazonS3>);

#[async_trait]
impl Requests for SignedRequests {
    async fn get(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<HttpRequest, object_store::Error> {
        let options = SignedUrlOptions::default().with_query(query.iter().copied());
        let valid = Duration::from_mins(5);
        let url = self.0.signed_url_opts(Method::GET, key, valid, &options);
        pending_xml::request(url.await?.as_str())
    }
}
