//! Azure Blob Storage.

use std::fmt;
use std::sync::{Arc, OnceLock};

use artifact_backend::Result;
use artifact_backend_config::S3Config;
use async_trait::async_trait;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use object_store::ClientConfigKey;
use object_store::azure::{
    AzureAuthorizer, AzureConfigKey, AzureCredential, AzureCredentialProvider,
    MicrosoftAzureBuilder,
};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest};
use tokio::sync::OnceCell;

use super::checksum;
use super::{TIMEOUT, allow_http, check_part_bytes, invalid_options, no_retries};
use crate::backend::ObjectStoreBackend;
use crate::connector::{Connector, RequestRules, query};
use crate::part_upload::completing_write_id;
use crate::shared::Capabilities;
use crate::upload_strategy::UploadStrategy;
use crate::write_id::AZURE_HEADER;

/// The emulator's account, used if the builder names none.
const EMULATOR: &str = "devstoreaccount1";

impl ObjectStoreBackend {
    /// Opens the container that the builder names, under a prefix that may be empty.
    ///
    /// Replaces the builder's connector, retries and time-out; keeps everything else. No list shows
    /// the blocks of an incomplete upload; Azure discards them after a week.
    ///
    /// # Errors
    ///
    /// Those of [`s3`](Self::s3).
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
        let rules = AzureRules {
            account,
            credentials: Arc::clone(&credentials),
        };
        let (key, never) = TIMEOUT;
        let store = builder
            .with_allow_http(allow_http)
            .with_config(AzureConfigKey::Client(key), never)
            .with_retry(no_retries())
            .with_http_connector(Connector::new(rules))
            .build()
            .map_err(invalid_options)?;
        credentials.get_or_init(|| Arc::clone(store.credentials()));
        let store = Arc::new(store);
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Exclusive {
                store: Arc::clone(&store) as _,
                write_id_on_completion: true,
            },
            incomplete_uploads: None,
            keeps_metadata: OnceCell::new_with(Some(true)),
            is_cloud: true,
            lists_in_order: true,
            suffix_ranges: false,
        };
        Self::new(store, prefix, config, capabilities)
    }
}

/// Adds `If-None-Match: *` and the write id to `Put Block List`, and `Content-MD5` to `Put Blob` and
/// `Put Block`. Signs the request again if the signature covers the headers.
struct AzureRules {
    account: String,
    credentials: Arc<OnceLock<AzureCredentialProvider>>,
}

#[async_trait]
impl RequestRules for AzureRules {
    async fn apply(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        if request.method() != Method::PUT {
            return Ok(());
        }
        match query(request, "comp") {
            Some("blocklist") => make_exclusive(request.headers_mut())?,
            Some("block") => add_checksum(request).await?,
            None if request.headers().contains_key("x-ms-blob-type") => {
                add_checksum(request).await?;
            }
            _ => return Ok(()),
        }
        self.sign_again(request).await
    }
}

fn make_exclusive(headers: &mut HeaderMap) -> Result<(), HttpError> {
    headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    if let Some(write_id) = completing_write_id() {
        let digits = HeaderValue::from_str(&write_id.to_string()).map_err(cannot_sign)?;
        headers.insert(HeaderName::from_static(AZURE_HEADER), digits);
    }
    Ok(())
}

async fn add_checksum(request: &mut HttpRequest) -> Result<(), HttpError> {
    let digest = checksum::content_md5(request.body()).await?;
    request.headers_mut().insert("content-md5", digest);
    Ok(())
}

impl AzureRules {
    async fn sign_again(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let Some(credentials) = self.credentials.get() else {
            return Ok(());
        };
        // Without `Authorization` the request is not signed, or its query is.
        if !request.headers().contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let credential = credentials.get_credential().await.map_err(cannot_sign)?;
        if matches!(*credential, AzureCredential::AccessKey(_)) {
            request.headers_mut().remove(AUTHORIZATION);
            AzureAuthorizer::new(&credential, &self.account)
                .try_authorize(request)
                .map_err(cannot_sign)?;
        }
        Ok(())
    }
}

fn cannot_sign(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

impl fmt::Debug for AzureRules {
    // Omits the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureRules")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
