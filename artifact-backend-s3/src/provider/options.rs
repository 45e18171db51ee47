//! Turns the options of a bucket into a builder of `object_store`.
//!
//! Without credentials of the program, the builder begins with the values of the provider's own environment
//! variables. With them it begins empty, so that parts of two credentials are never mixed.

use artifact_backend::{Error, Result};
use artifact_backend_config::{BucketOptions, CredentialKind};

use super::misconfigured;
use crate::bucket_url::Provider;

/// Returns a builder with the credentials, or the values of the environment, and with the options.
#[cfg(feature = "s3")]
pub(super) fn s3(
    options: &BucketOptions,
    bucket: &str,
) -> Result<object_store::aws::AmazonS3Builder> {
    use object_store::aws::AmazonS3Builder;
    let mut builder = match kind(options) {
        None => AmazonS3Builder::from_env(),
        Some(CredentialKind::AccessKey {
            id,
            secret,
            session_token,
        }) => {
            let builder = AmazonS3Builder::new()
                .with_access_key_id(id)
                .with_secret_access_key(secret);
            match session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        Some(CredentialKind::Anonymous) => AmazonS3Builder::new().with_skip_signature(true),
        Some(_) => return Err(other_provider(Provider::S3)),
    };
    builder = builder.with_bucket_name(bucket);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(path_style) = options.path_style {
        builder = builder.with_virtual_hosted_style_request(!path_style);
    }
    if options.allow_http {
        builder = builder.with_allow_http(true);
    }
    Ok(builder)
}

/// Returns a builder with the credentials, or the values of the environment, and with the options.
#[cfg(feature = "gcs")]
pub(super) fn gcs(
    options: &BucketOptions,
    bucket: &str,
) -> Result<object_store::gcp::GoogleCloudStorageBuilder> {
    use std::sync::Arc;

    use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
    use object_store::{ClientConfigKey::AllowHttp, StaticCredentialProvider};
    let mut builder = match kind(options) {
        None => GoogleCloudStorageBuilder::from_env(),
        Some(CredentialKind::ServiceAccount(json)) => {
            GoogleCloudStorageBuilder::new().with_service_account_key(json)
        }
        // A fixed empty credential keeps the library from reading the files of `gcloud`.
        Some(CredentialKind::Anonymous) => GoogleCloudStorageBuilder::new()
            .with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential {
                bearer: String::new(),
            })))
            .with_skip_signature(true),
        Some(_) => return Err(other_provider(Provider::Gcs)),
    };
    builder = builder.with_bucket_name(bucket);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    if options.allow_http {
        builder = builder.with_config(GoogleConfigKey::Client(AllowHttp), "true");
    }
    Ok(builder)
}

/// Returns a builder with the credentials, or the values of the environment, and with the options.
#[cfg(feature = "azure")]
pub(super) fn azure(
    options: &BucketOptions,
    container: &str,
) -> Result<object_store::azure::MicrosoftAzureBuilder> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let mut builder = match kind(options) {
        None => MicrosoftAzureBuilder::from_env(),
        Some(CredentialKind::AccountKey { account, key }) => MicrosoftAzureBuilder::new()
            .with_account(account)
            .with_access_key(key),
        Some(CredentialKind::SasToken { account, token }) => MicrosoftAzureBuilder::new()
            .with_account(account)
            .with_config(AzureConfigKey::SasKey, token),
        Some(_) => return Err(other_provider(Provider::Azure)),
    };
    builder = builder.with_container_name(container);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if options.allow_http {
        builder = builder.with_allow_http(true);
    }
    Ok(builder)
}

fn kind(options: &BucketOptions) -> Option<&CredentialKind> {
    Some(options.credentials.as_ref()?.kind())
}

fn other_provider(provider: Provider) -> Error {
    let constructors = match provider {
        Provider::S3 => "access_key, temporary_access_key or anonymous",
        Provider::Gcs => "service_account or anonymous",
        Provider::Azure => "account_key or sas_token",
    };
    misconfigured(format!(
        "the credentials are those of another provider than {}:; create them with \
         BucketCredentials::{constructors}",
        provider.scheme()
    ))
}
