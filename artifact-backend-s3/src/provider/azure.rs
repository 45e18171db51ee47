//! Azure Blob Storage.

use std::fmt;
use std::sync::{Arc, OnceLock};

use artifact_backend::Result;
use async_trait::async_trait;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, IF_NONE_MATCH};
use object_store::ClientConfigKey;
use object_store::azure::{
    AzureAuthorizer, AzureConfigKey, AzureCredential, AzureCredentialProvider,
    MicrosoftAzureBuilder,
};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest};
use tokio::sync::OnceCell;

use super::{TIMEOUT, allow_http, check_part_bytes, no_retries, refused};
use crate::backend::ObjectStoreBackend;
use crate::config::S3Config;
use crate::connector::{Adjust, Connector, query};
use crate::core::Traits;
use crate::mark::AZURE_HEADER;
use crate::multipart::{self, Large};

/// The account of the emulator, which needs none to be named.
const EMULATOR: &str = "devstoreaccount1";

impl ObjectStoreBackend {
    /// A backend in the container that a builder names, under a prefix that may be empty.
    ///
    /// Of the builder, the connector, the retries and the time-out are ours; everything else is as
    /// it was set. Blocks of an upload that was never completed are seen by no list; Azure itself
    /// drops them after a week.
    ///
    /// # Errors
    ///
    /// As [`s3`](Self::s3).
    pub fn azure(builder: MicrosoftAzureBuilder, prefix: &str, config: S3Config) -> Result<Self> {
        check_part_bytes(&config)?;
        let value = |key| builder.get_config_value(&key);
        let is_true = |key| value(key).as_deref() == Some("true");
        let account = value(AzureConfigKey::AccountName).unwrap_or_else(|| EMULATOR.to_owned());
        let allow_http = allow_http(
            value(AzureConfigKey::Endpoint).as_deref(),
            is_true(AzureConfigKey::Client(ClientConfigKey::AllowHttp))
                || is_true(AzureConfigKey::UseEmulator),
        )?;
        let credentials = Arc::new(OnceLock::new());
        let adjust = AdjustAzure {
            account,
            credentials: Arc::clone(&credentials),
        };
        let (key, never) = TIMEOUT;
        let store = builder
            .with_allow_http(allow_http)
            .with_config(AzureConfigKey::Client(key), never)
            .with_retry(no_retries())
            .with_http_connector(Connector::new(adjust))
            .build()
            .map_err(refused)?;
        credentials.get_or_init(|| Arc::clone(store.credentials()));
        let store = Arc::new(store);
        let traits = Traits {
            large: Large::Exclusive {
                parts: Arc::clone(&store) as _,
                marked_at_the_end: true,
            },
            pending: None,
            marks: OnceCell::new_with(Some(true)),
            is_cloud: true,
            // The service knows no range of the last so many bytes.
            suffix_ranges: false,
        };
        Self::new(store, prefix, config, traits)
    }
}

/// `Put Block List` with `If-None-Match: *` and the write id, signed again where the signature is
/// over the headers.
struct AdjustAzure {
    account: String,
    credentials: Arc<OnceLock<AzureCredentialProvider>>,
}

#[async_trait]
impl Adjust for AdjustAzure {
    fn completes_upload(&self, request: &HttpRequest) -> bool {
        request.method() == Method::PUT && query(request, "comp") == Some("blocklist")
    }

    async fn make_exclusive(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let headers = request.headers_mut();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        if let Some(write_id) = multipart::completing() {
            let digits = HeaderValue::from_str(&write_id.to_string()).map_err(unsigned)?;
            headers.insert(HeaderName::from_static(AZURE_HEADER), digits);
        }
        let Some(credentials) = self.credentials.get() else {
            return Ok(());
        };
        // Without `Authorization` the request was not signed, or is by its query.
        if !request.headers().contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let credential = credentials.get_credential().await.map_err(unsigned)?;
        if matches!(*credential, AzureCredential::AccessKey(_)) {
            request.headers_mut().remove(AUTHORIZATION);
            AzureAuthorizer::new(&credential, &self.account)
                .try_authorize(request)
                .map_err(unsigned)?;
        }
        Ok(())
    }
}

fn unsigned(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

impl fmt::Debug for AdjustAzure {
    // Never the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdjustAzure")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
