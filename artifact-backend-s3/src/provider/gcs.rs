//! Google Cloud Storage, by its XML interface.

use std::sync::Arc;

use artifact_backend::Result;
use async_trait::async_trait;
use http::header::{AUTHORIZATION, HeaderValue};
use object_store::ClientConfigKey;
use object_store::client::{HttpError, HttpRequest};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use tokio::sync::OnceCell;

use super::pending_xml::{self, Requests, XmlPending};
use super::{TIMEOUT, allow_http, check_part_bytes, no_retries, plain_client, refused};
use crate::backend::ObjectStoreBackend;
use crate::config::S3Config;
use crate::connector::{Adjust, Connector};
use crate::core::Traits;
use crate::multipart::Large;

const GOOGLE: &str = "https://storage.googleapis.com";

impl ObjectStoreBackend {
    /// A backend in the bucket that a builder names, under a prefix that may be empty.
    ///
    /// Of the builder, the connector, the retries and the time-out are ours; everything else is as
    /// it was set.
    ///
    /// # Errors
    ///
    /// As [`s3`](Self::s3).
    pub fn gcs(builder: GoogleCloudStorageBuilder, prefix: &str, config: S3Config) -> Result<Self> {
        check_part_bytes(&config)?;
        let client_key = GoogleConfigKey::Client;
        let value = |key| builder.get_config_value(&key);
        let endpoint = value(GoogleConfigKey::BaseUrl);
        let asked_for = value(client_key(ClientConfigKey::AllowHttp)).as_deref() == Some("true");
        let bucket = value(GoogleConfigKey::Bucket).unwrap_or_default();
        let allow_http = allow_http(endpoint.as_deref(), asked_for)?;
        let base = endpoint.unwrap_or_else(|| GOOGLE.to_owned());
        let (timeout, never) = TIMEOUT;
        let store = builder
            .with_config(
                client_key(ClientConfigKey::AllowHttp),
                allow_http.to_string(),
            )
            .with_config(client_key(timeout), never)
            .with_retry(no_retries())
            .with_http_connector(Connector::new(AdjustGcs))
            .build()
            .map_err(refused)?;
        let client = plain_client(&Connector::new(AdjustGcs), allow_http)?;
        let store = Arc::new(store);
        let requests = BearerRequests {
            store: Arc::clone(&store),
            bucket_url: format!("{}/{bucket}", base.trim_end_matches('/')),
        };
        let traits = Traits {
            large: Large::Staged(Arc::clone(&store) as _),
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

/// A completion carries no precondition at Google, so uploads are completed at staging keys, and
/// nothing is to be changed.
#[derive(Debug)]
struct AdjustGcs;

#[async_trait]
impl Adjust for AdjustGcs {
    fn completes_upload(&self, _request: &HttpRequest) -> bool {
        false
    }

    async fn make_exclusive(&self, _request: &mut HttpRequest) -> Result<(), HttpError> {
        Ok(())
    }
}

/// The lists of multipart uploads and of parts, with the token in a header.
#[derive(Debug)]
struct BearerRequests {
    store: Arc<GoogleCloudStorage>,
    bucket_url: String,
}

#[async_trait]
impl Requests for BearerRequests {
    async fn get(
        &self,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<HttpRequest, object_store::Error> {
        let mut request = pending_xml::request_of(&format!("{}/{key}", self.bucket_url), query)?;
        let credential = self.store.credentials().get_credential().await?;
        let token = format!("Bearer {}", credential.bearer);
        if let Ok(mut value) = HeaderValue::from_str(&token) {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}
