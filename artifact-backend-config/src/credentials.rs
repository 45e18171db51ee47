//! Credentials for a bucket.

use std::fmt;

/// Credentials for a bucket, from the program's own settings. `Debug` prints no secret.
///
/// They do not change while the backend is open. Credentials that must be renewed come from the
/// provider's environment or the machine's role, or from a builder of `object_store` with which the
/// program opens the backend.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketCredentials(CredentialKind);

/// The parts of the credentials, for `artifact-backend-s3` only.
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// S3.
    AccessKey {
        /// Names the key; no secret.
        id: String,
        /// The secret access key.
        secret: String,
        /// The token of temporary credentials.
        session_token: Option<String>,
    },
    /// Google: the JSON text of the key.
    ServiceAccount(String),
    /// Azure.
    AccountKey {
        /// The name of the account; no secret.
        account: String,
        /// The key in base64.
        key: String,
    },
    /// Azure.
    SasToken {
        /// The name of the account; no secret.
        account: String,
        /// The query string of a shared access signature.
        token: String,
    },
    /// No signature.
    Anonymous,
}

impl BucketCredentials {
    /// Creates credentials of S3: the id of an access key and its secret.
    pub fn access_key(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(CredentialKind::AccessKey {
            id: id.into(),
            secret: secret.into(),
            session_token: None,
        })
    }

    /// Creates temporary credentials of S3: an access key with a session token.
    pub fn temporary_access_key(
        id: impl Into<String>,
        secret: impl Into<String>,
        session_token: impl Into<String>,
    ) -> Self {
        Self(CredentialKind::AccessKey {
            id: id.into(),
            secret: secret.into(),
            session_token: Some(session_token.into()),
        })
    }

    /// Creates credentials of Google Cloud Storage: the JSON text of a service account's key.
    pub fn service_account(json: impl Into<String>) -> Self {
        Self(CredentialKind::ServiceAccount(json.into()))
    }

    /// Creates credentials of Azure: the name of the account and one of its keys, in base64.
    pub fn account_key(account: impl Into<String>, key: impl Into<String>) -> Self {
        Self(CredentialKind::AccountKey {
            account: account.into(),
            key: key.into(),
        })
    }

    /// Creates credentials of Azure: the name of the account and a shared access signature, as the query
    /// string that the portal shows (`sv=...&sig=...`).
    pub fn sas_token(account: impl Into<String>, token: impl Into<String>) -> Self {
        Self(CredentialKind::SasToken {
            account: account.into(),
            token: token.into(),
        })
    }

    /// Creates credentials of S3 and Google that sign nothing, for a bucket that is open to all.
    pub fn anonymous() -> Self {
        Self(CredentialKind::Anonymous)
    }

    #[doc(hidden)]
    pub fn kind(&self) -> &CredentialKind {
        &self.0
    }
}

impl fmt::Debug for BucketCredentials {
    // Prints only what names the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, named, name) = match &self.0 {
            CredentialKind::AccessKey { id, .. } => ("AccessKey", "id", Some(id)),
            CredentialKind::ServiceAccount(_) => ("ServiceAccount", "", None),
            CredentialKind::AccountKey { account, .. } => ("AccountKey", "account", Some(account)),
            CredentialKind::SasToken { account, .. } => ("SasToken", "account", Some(account)),
            CredentialKind::Anonymous => ("Anonymous", "", None),
        };
        let mut shown = f.debug_struct(kind);
        if let Some(name) = name {
            shown.field(named, name);
        }
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialKind(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use crate::{BucketCredentials, BucketOptions};

    #[test]
    fn debug_output_names_the_key_and_hides_every_secret() {
        let all = [
            (BucketCredentials::access_key("AKIA1", "canary"), "AKIA1"),
            (
                BucketCredentials::temporary_access_key("AKIA2", "canary", "canary"),
                "AKIA2",
            ),
            (
                BucketCredentials::service_account("{canary}"),
                "ServiceAccount",
            ),
            (BucketCredentials::account_key("mine", "canary"), "mine"),
            (BucketCredentials::sas_token("mine", "sig=canary"), "mine"),
            (BucketCredentials::anonymous(), "Anonymous"),
        ];
        for (credentials, shown) in all {
            let kind = format!("{:?}", credentials.kind());
            let options = BucketOptions {
                credentials: Some(credentials),
                ..BucketOptions::default()
            };
            let text = format!("{options:?} {options:#?} {kind}");
            assert!(text.contains(shown), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
