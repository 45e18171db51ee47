//! The options of a PostgreSQL database.

use super::Lanes;
use super::target::Target;
use super::tls::Tls;
use crate::error::Result;

/// The options of a [`PostgresDatabase`](super::PostgresDatabase).
///
/// ```
/// use artifact_store::PostgresOptions;
///
/// let options = PostgresOptions::default().with_max_connections(6);
/// ```
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    pub(super) max_connections: usize,
    #[cfg(feature = "postgres-tls")]
    tls_config: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: Lanes::DEFAULT,
            #[cfg(feature = "postgres-tls")]
            tls_config: None,
        }
    }
}

impl PostgresOptions {
    /// Sets the number of connections, at least 4. Default: 14. One of them inserts rows, about a third
    /// look up credentials, one (of at least 8) serves the [background lane](artifact_backend::background()), and the others
    /// do the rest. They are opened when they are needed.
    #[must_use = "returns the changed options"]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets the program's own TLS configuration, for example with the certificate of a client. It decides
    /// alone what is verified; `sslrootcert` in the URL has no effect. Default: the configuration that
    /// [`DatabaseUrl`](crate::DatabaseUrl) describes.
    ///
    /// `sslmode` in the URL still decides whether TLS is used. With an existing pool, only cancel
    /// requests use this configuration.
    #[cfg(feature = "postgres-tls")]
    #[must_use = "returns the changed options"]
    pub fn with_tls_config(
        mut self,
        config: impl Into<std::sync::Arc<rustls::ClientConfig>>,
    ) -> Self {
        self.tls_config = Some(config.into());
        self
    }

    /// Returns the program's TLS configuration, if it has set one.
    #[cfg_attr(
        not(feature = "postgres-tls"),
        expect(clippy::unused_self, reason = "this build has no TLS")
    )]
    pub(super) fn own_tls(&self) -> Option<Tls> {
        #[cfg(feature = "postgres-tls")]
        return self.tls_config.as_deref().map(Tls::with_config);
        #[cfg(not(feature = "postgres-tls"))]
        None
    }

    /// Returns the TLS of connections to a target.
    #[cfg_attr(
        not(feature = "postgres-tls"),
        expect(clippy::unused_async, reason = "this build reads no certificates")
    )]
    pub(super) async fn tls(&self, target: &Target) -> Result<Tls> {
        if !target.may_use_tls() {
            return Ok(Tls::None);
        }
        #[cfg(feature = "postgres-tls")]
        let tls = match self.own_tls() {
            Some(tls) => tls,
            None => Tls::verified(target.root_certificates()).await?,
        };
        // `DatabaseUrl::parse` refuses such a target in this build.
        #[cfg(not(feature = "postgres-tls"))]
        let tls = Tls::None;
        Ok(tls)
    }
}
