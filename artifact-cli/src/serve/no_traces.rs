//! A build without the feature `otel` sends no traces.

use std::sync::Arc;

use anyhow::Result;
use artifact_backend::ArtifactInventory;
use http::HeaderMap;
use tracing::{Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Identity;

use crate::output;
use crate::settings::ServeSettings;

/// Nothing.
#[derive(Debug)]
pub(crate) struct Traces;

impl Traces {
    pub(super) const fn none() -> Self {
        Self
    }

    /// Warns if the settings name a collector. Its variable can be set for all programs of a machine, so that is no error.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a build with the feature can fail"
    )]
    pub(crate) fn start(settings: &ServeSettings) -> Result<Self> {
        if settings.otlp_endpoint.is_some() {
            output::warn(
                "this build sends no traces, so --otlp-endpoint has no effect; build it with --features otel",
            );
        }
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "a build with the feature has a layer")]
    pub(super) fn layer<S: Subscriber>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>> {
        None::<Identity>
    }

    #[expect(clippy::unused_async, reason = "a build with the feature waits")]
    pub(super) async fn close(self) {}
}

pub(super) fn of_backend(
    _: &ServeSettings,
    backend: Arc<dyn ArtifactInventory>,
) -> Arc<dyn ArtifactInventory> {
    backend
}

pub(super) fn set_parent(_: &Span, _: &HeaderMap) {}

pub(super) fn rename(_: &Span, _: &'static str, _: &str) {}
