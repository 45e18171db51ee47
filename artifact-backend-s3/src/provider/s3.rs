//! Amazon S3, and servers that speak its protocol.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::Result;
use artifact_backend_config::S3Config;
use async_trait::async_trait;
use http::Method;
use http::header::{HeaderValue, IF_NONE_MATCH};
use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpError, HttpRequest};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use tokio::sync::OnceCell;

use super::incomplete_xml::{self, ListRequests, XmlIncompleteUploads};
use super::{TIMEOUT, allow_http, check_part_bytes, client_of_store, invalid_options, no_retries};
use crate::backend::ObjectStoreBackend;
use crate::connector::{Connector, RequestRules, has_query};
use crate::shared::Capabilities;
use crate::upload_strategy::UploadStrategy;

impl ObjectStoreBackend {
    /// Opens the bucket that the builder names, under a prefix that may be empty.
    ///
    /// Replaces the builder's connector, retries, time-out and conditional put; keeps everything else,
    /// such as credentials, encryption and a proxy.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the prefix, the part size or the builder's settings are not valid.
    pub fn s3(builder: AmazonS3Builder, prefix: &str, config: S3Config) -> Result<Self> {
        check_part_bytes(&config)?;
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        let allowed = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
        let allowed = builder.get_config_value(&allowed).as_deref() == Some("true");
        let is_express = AmazonS3ConfigKey::S3Express;
        let is_express = builder.get_config_value(&is_express).as_deref() == Some("true");
        let allow_http = allow_http(endpoint.as_deref(), allowed)?;
        let (key, value) = TIMEOUT;
        let connector = Connector::new(S3Rules);
        let connections = connector.connections();
        let store = builder
            .with_allow_http(allow_http)
            .with_config(AmazonS3ConfigKey::Client(key), value)
            .with_config(AmazonS3ConfigKey::ConditionalPut, "etag")
            // Deletes one key per request: not every server supports bulk deletes.
            .with_disable_bulk_delete(true)
            .with_retry(no_retries())
            .with_http_connector(connector)
            .build()
            .map_err(invalid_options)?;
        let client = client_of_store(&connections)?;
        let store = Arc::new(store);
        let requests = SignedRequests(Arc::clone(&store));
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Exclusive {
                store: Arc::clone(&store) as _,
                write_id_on_completion: false,
            },
            incomplete_uploads: Some(Arc::new(XmlIncompleteUploads::new(
                client,
                requests,
                Arc::clone(&store) as _,
            ))),
            keeps_metadata: OnceCell::new_with(Some(true)),
            is_cloud: true,
            lists_in_order: !is_express,
            suffix_ranges: true,
        };
        Self::new(store, prefix, config, capabilities)
    }
}

/// Adds `If-None-Match: *` to `CompleteMultipartUpload`. The header needs no signature: only the host
/// and `x-amz-*` do.
///
/// Adds no checksum: the signature covers the SHA-256 of the body (`x-amz-content-sha256`), and the
/// storage compares it. A builder that turns this off (`with_unsigned_payload`) can choose
/// `with_checksum_algorithm`.
#[derive(Debug)]
struct S3Rules;

#[async_trait]
impl RequestRules for S3Rules {
    async fn apply(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        if request.method() == Method::POST && has_query(request, "uploadId") {
            let headers = request.headers_mut();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Ok(())
    }
}

/// Signs list requests in the query.
#[derive(Debug)]
struct SignedRequests(Arc<AmazonS3>);

#[async_trait]
impl ListRequests for SignedRequests {
    async fn get(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<HttpRequest, object_store::Error> {
        let options = SignedUrlOptions::default().with_query(query.iter().copied());
        let lifetime = Duration::from_secs(300);
        let url = self.0.signed_url_opts(Method::GET, key, lifetime, &options);
        incomplete_xml::request(url.await?.as_str())
    }
}
