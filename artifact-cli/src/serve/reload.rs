//! Reloads some settings at SIGHUP: the certificate, the admin token, the token of the metrics and the log filter. Begins a new file of the audit log.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use artifact_audit::AuditLog;
use artifact_http::AdminToken;
use artifact_server::{Address, Tls};
use artifact_store::IdentityStore;
use tokio::runtime::Handle;

use super::admin_token::{OldToken, TokenSource};
use super::certificate::CertificateFiles;
use super::log_filter::LogFilter;
use super::metrics::MetricsToken;
use super::service_manager;
use crate::cli;
use crate::settings::{Loaded, ServeSettings};
use crate::signals::Hangup;

/// What a running server can replace.
#[derive(Debug)]
pub(crate) struct Reload {
    tls: Option<Tls>,
    admin: AdminToken,
    log: LogFilter,
    /// The identities of the database, if other servers can use it too.
    shared: Option<Arc<dyn IdentityStore>>,
    /// Where the server listens, for the service manager.
    address: Address,
    audit: Option<AuditLog>,
    metrics: Option<MetricsToken>,
}

impl Reload {
    pub(crate) fn new(
        tls: Option<Tls>,
        admin: AdminToken,
        log: LogFilter,
        shared: Option<Arc<dyn IdentityStore>>,
        address: Address,
    ) -> Self {
        Self {
            tls,
            admin,
            log,
            shared,
            address,
            audit: None,
            metrics: None,
        }
    }

    /// Replaces the token of the metrics too.
    pub(crate) fn with_metrics(mut self, token: Option<MetricsToken>) -> Self {
        self.metrics = token;
        self
    }

    /// Begins a new file of an audit log at each SIGHUP.
    pub(crate) fn with_audit(mut self, audit: Option<AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// Reloads at each SIGHUP. Transfers go on meanwhile.
    pub(crate) async fn at_each(self, mut hangup: Hangup, mut loaded: Arc<Loaded>) {
        let this = Arc::new(self);
        loop {
            hangup.next().await;
            service_manager::reloading().await;
            let (reload, former) = (Arc::clone(&this), Arc::clone(&loaded));
            let reloaded = tokio::task::spawn_blocking(move || reload.reload(former)).await;
            // A panic is logged where it happens, and changes nothing.
            loaded = reloaded.unwrap_or(loaded);
            if let Some(audit) = &this.audit {
                match audit.reopen().await {
                    Ok(()) => tracing::info!("began a new file of the audit log"),
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot begin a new file of the audit log; the former one goes on"
                    ),
                }
            }
            service_manager::ready(&this.address).await;
        }
    }

    /// Reads the settings file and the files that the settings name. Returns the settings that are in use
    /// then.
    ///
    /// Each value is replaced on its own. One that is invalid stays as it was, with a warning.
    fn reload(&self, former: Arc<Loaded>) -> Arc<Loaded> {
        let loaded = match cli::load_settings() {
            Ok(loaded) => Arc::new(loaded),
            Err(error) => {
                warn("the settings", &error);
                former
            }
        };
        let settings: ServeSettings = match loaded.settings() {
            Ok(settings) => settings,
            Err(error) => {
                warn("the settings", &error);
                return loaded;
            }
        };
        report("the log filter", self.log.replace(&settings.log));
        report("the admin token", self.reload_token(&settings, &loaded));
        if let Some(token) = &self.metrics
            && !(token.is_open() && settings.metrics_token_file.is_none())
        {
            let reloaded = token.reload(&settings, &loaded.sources);
            report("the token of the metrics", reloaded);
        }
        match (&self.tls, settings.tls_files()) {
            (Some(tls), Ok(Some(files))) => {
                let files = CertificateFiles::new(files);
                report("the TLS certificate", files.reload(tls));
            }
            (None, Ok(None)) => {}
            (_, Err(error)) => warn("the TLS certificate", &error),
            (_, Ok(_)) => tracing::warn!(
                "the settings turn TLS on or off, which only a restart of the server does"
            ),
        }
        loaded
    }

    fn reload_token(&self, settings: &ServeSettings, loaded: &Loaded) -> Result<()> {
        let source = TokenSource::find(settings, &loaded.sources)?;
        let old = OldToken::find(settings, &loaded.sources)?;
        // This is a thread of the blocking pool.
        let found = Handle::current().block_on(source.find_accepted(self.shared.as_deref()))?;
        match found {
            Some(accepted) => accepted.replace_in(&self.admin, old.as_ref()),
            None => Err(anyhow!("there is no file with an admin token")),
        }
    }
}

fn report(subject: &str, outcome: Result<()>) {
    match outcome {
        Ok(()) => tracing::info!("reloaded {subject}"),
        Err(error) => warn(subject, &error),
    }
}

fn warn(subject: &str, error: &anyhow::Error) {
    tracing::warn!(
        error = &**error as &dyn std::error::Error,
        "cannot reload {subject}; the former value stays in use"
    );
}
