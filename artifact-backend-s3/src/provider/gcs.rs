//! Google Cloud Storage, by its XML interface.

use std::sync::Arc;

use artifact_backend::Result;
use artifact_backend_config::S3Config;
use async_trait::async_trait;
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use object_store::ClientConfigKey;
use object_store::client::{HttpError, HttpRequest};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use tokio::sync::OnceCell;

use super::checksum;
use super::incomplete_xml::{self, ListRequests, XmlIncompleteUploads};
use super::{TIMEOUT, allow_http, check_part_bytes, client_of_store, invalid_options, no_retries};
use crate::backend::ObjectStoreBackend;
use crate::connector::{Connector, RequestRules};
use crate::shared::Capabilities;
use crate::upload_strategy::UploadStrategy;

const GOOGLE: &str = "https://storage.googleapis.com";

impl ObjectStoreBackend {
    /// Opens the bucket that the builder names, under a prefix that may be empty.
    ///
    /// Replaces the builder's connector, retries and time-out; keeps everything else.
    ///
    /// # Errors
    ///
    /// Those of [`s3`](Self::s3).
    pub fn gcs(builder: GoogleCloudStorageBuilder, prefix: &str, config: S3Config) -> Result<Self> {
        check_part_bytes(&config)?;
        let client_key = GoogleConfigKey::Client;
        let value = |key| builder.get_config_value(&key);
        let endpoint = value(GoogleConfigKey::BaseUrl);
        let allowed = value(client_key(ClientConfigKey::AllowHttp)).as_deref() == Some("true");
        let bucket = value(GoogleConfigKey::Bucket).unwrap_or_default();
        let allow_http = allow_http(endpoint.as_deref(), allowed)?;
        let base = endpoint.unwrap_or_else(|| GOOGLE.to_owned());
        let (timeout, never) = TIMEOUT;
        let connector = Connector::new(GcsRules);
        let connections = connector.connections();
        let store = builder
            .with_config(
                client_key(ClientConfigKey::AllowHttp),
                allow_http.to_string(),
            )
            .with_config(client_key(timeout), never)
            .with_retry(no_retries())
            .with_http_connector(connector)
            .build()
            .map_err(invalid_options)?;
        let client = client_of_store(&connections)?;
        let store = Arc::new(store);
        let requests = BearerRequests {
            store: Arc::clone(&store),
            bucket_url: format!("{}/{bucket}", base.trim_end_matches('/')),
        };
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Staged(Arc::clone(&store) as _),
            incomplete_uploads: Some(Arc::new(XmlIncompleteUploads::new(
                client,
                requests,
                Arc::clone(&store) as _,
            ))),
            keeps_metadata: OnceCell::new_with(Some(true)),
            is_cloud: true,
            lists_in_order: true,
            suffix_ranges: true,
        };
        Self::new(store, prefix, config, capabilities)
    }
}

/// Adds the checksum of the body to each upload of an object or a part (`x-goog-hash` in the Cloud
/// Storage XML API). Google's completions accept no precondition, so uploads complete at staging keys.
#[derive(Debug)]
struct GcsRules;

#[async_trait]
impl RequestRules for GcsRules {
    async fn apply(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let is_copy = request.headers().contains_key("x-goog-copy-source");
        if request.method() == Method::PUT && !is_copy {
            let hash = checksum::x_goog_hash(request.body()).await?;
            request.headers_mut().insert("x-goog-hash", hash);
        }
        Ok(())
    }
}

/// Authorizes list requests by a bearer token in a header.
#[derive(Debug)]
struct BearerRequests {
    store: Arc<GoogleCloudStorage>,
    bucket_url: String,
}

#[async_trait]
impl ListRequests for BearerRequests {
    async fn get(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<HttpRequest, object_store::Error> {
        let mut request =
            incomplete_xml::request_with_query(&format!("{}/{key}", self.bucket_url), query)?;
        let credential = self.store.credentials().get_credential().await?;
        let token = format!("Bearer {}", credential.bearer);
        // Anonymous requests have no token.
        if !credential.bearer.is_empty()
            && let Ok(mut value) = HeaderValue::from_str(&token)
        {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}
