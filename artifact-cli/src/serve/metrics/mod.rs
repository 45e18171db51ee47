//! Metrics in the text format of Prometheus, at `/metrics` of an address of its own.

mod backend;
mod endpoint;
mod free_space;
mod process;
mod recorder;
mod samples;
#[cfg(test)]
mod table;
mod token;
#[cfg(test)]
mod used_names;

use anyhow::Result;
use artifact_server::{Listener, Server, ServerConfig, Tls};
use tokio::task::JoinSet;

pub(crate) use self::backend::with_metrics;
use self::endpoint::MetricsHooks;
use self::recorder::Recorder;
pub(crate) use self::samples::Samples;
pub(crate) use self::token::MetricsToken;
use super::plan::ServePlan;
use crate::failure::{setup, setup_from};
use crate::settings::{ListenAddress, ServeSettings, Sources};

/// The metrics of every crate that a server uses.
#[cfg(test)]
const ALL: [&[artifact_backend::metrics::Metric]; 6] = [
    samples::METRICS,
    artifact_http::METRICS,
    artifact_server::METRICS,
    artifact_store::METRICS,
    artifact_layers::METRICS,
    artifact_backend::metrics::METRICS,
];

/// Maximum number of connections that read metrics.
const MAX_CONNECTIONS: usize = 16;

/// The bound address of the metrics, and the recorder that they go to.
pub(crate) struct MetricsListener {
    listener: Listener,
    recorder: Recorder,
}

impl MetricsListener {
    /// Binds the address of the settings, if there is one, and installs the recorder. Call it before anything registers metrics.
    pub(crate) fn bind(settings: &ServeSettings, sources: &Sources) -> Result<Option<Self>> {
        let name = sources.name("metrics_listen");
        let bound = match &settings.metrics_listen {
            None => return Ok(None),
            Some(ListenAddress::Tcp(address)) => Listener::bind_tcp(address),
            Some(ListenAddress::Unix(path)) => Listener::bind_unix(path, settings.socket_mode.0),
        };
        let listener = bound.map_err(|error| setup_from(error, &name))?;
        let address = listener.address(false)?;
        if !address.is_loopback() && settings.metrics_token_file.is_none() {
            return Err(setup(format!(
                "other machines could read the metrics at {name}; give --metrics-token-file too, or an address such as 127.0.0.1:9464"
            )));
        }
        let recorder = Recorder::install()?;
        Ok(Some(Self { listener, recorder }))
    }

    /// Serves the metrics until the tasks are dropped, and returns the token that programs must send. `tls` is used if other machines can connect.
    pub(crate) fn serve(
        self,
        plan: &ServePlan<'_>,
        samples: Samples,
        tls: Option<Tls>,
        tasks: &mut JoinSet<()>,
    ) -> Result<MetricsToken> {
        let Self { listener, recorder } = self;
        let is_loopback = listener.address(false)?.is_loopback();
        let tls = tls.filter(|_| !is_loopback);
        let address = listener.address(tls.is_some())?;
        if tls.is_none() && !is_loopback {
            tracing::warn!(
                "other machines can connect to the metrics, and the token is not encrypted: give --tls-cert and --tls-key, or keep \
                 the address in a private network"
            );
        }
        tasks.spawn(recorder.clone().keep_up());
        let token = MetricsToken::new(plan.metrics_token.clone());
        let router = endpoint::router(recorder, samples, token.clone());
        let config = ServerConfig {
            max_connections: MAX_CONNECTIONS,
            ..ServerConfig::default()
        };
        let mut server = Server::new(router, config).with_hooks(MetricsHooks);
        if let Some(tls) = tls {
            server = server.with_tls(tls);
        }
        tracing::info!("serving metrics at {address}{}", endpoint::PATH);
        tasks.spawn(async move {
            server.serve(listener).await;
        });
        Ok(token)
    }
}
