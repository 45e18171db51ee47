//! Sends the spans of requests, of the database and of the backend to a collector of OpenTelemetry, by OTLP over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use artifact_backend::{ArtifactBackendExt as _, ArtifactInventory, async_trait};
use artifact_layers::Trace;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::failure::setup_from;
use crate::settings::ServeSettings;

/// The targets whose spans are sent. Log lines and all other spans are not: some have the principal of a request.
const TARGETS: [&str; 3] = [
    "artifact_server::trace",
    "artifact_store::database",
    "artifact_layers::trace",
];

/// How long the end of the server waits until the last spans are sent.
const CLOSE: Duration = Duration::from_secs(5);

/// How long one request to the collector may take.
const SEND: Duration = Duration::from_secs(10);

/// How much of a response of the collector is read, in bytes. A response without errors has none.
const MAX_RESPONSE: usize = 64 << 10;

/// The spans on their way to the collector, if the settings name one.
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Returns those of a command, which has none.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Starts the thread that sends spans. The collector need not be there yet.
    pub(crate) fn start(settings: &ServeSettings) -> Result<Self> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(Self(None));
        };
        let cannot = |error: anyhow::Error| setup_from(error, "--otlp-endpoint cannot be used");
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new().map_err(cannot)?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build();
        let exporter = exporter.map_err(|error| cannot(error.into()))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(exporter);
        Ok(Self(Some(provider.build())))
    }

    /// Returns the layer that makes spans of OpenTelemetry.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let tracer = self.0.as_ref()?.tracer("artifact");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let spans =
            filter_fn(|metadata| metadata.is_span() && TARGETS.contains(&metadata.target()));
        Some(layer.with_filter(spans.with_max_level_hint(LevelFilter::DEBUG)))
    }

    /// Sends what is left.
    pub(super) async fn close(self) {
        let Some(provider) = self.0 else {
            return;
        };
        let closed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(CLOSE));
        if !matches!(closed.await, Ok(Ok(()))) {
            tracing::warn!("the last spans were not sent to the collector");
        }
    }
}

/// Puts a span around each call of the backend, if they are sent anywhere.
pub(super) fn of_backend(
    settings: &ServeSettings,
    backend: Arc<dyn ArtifactInventory>,
) -> Arc<dyn ArtifactInventory> {
    if settings.otlp_endpoint.is_none() {
        return backend;
    }
    Arc::new(backend.layer(Trace::new()))
}

/// Makes a span part of the trace of the client, if the request names one (W3C Trace Context).
pub(super) fn set_parent(span: &Span, request: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let fields = HeaderExtractor(request);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &fields);
    // Fails only without a layer, and then nothing is sent.
    let _ = span.set_parent(parent);
}

/// Names the span of a request after its method and route.
pub(super) fn rename(span: &Span, method: &'static str, route: &str) {
    if !span.is_disabled() {
        span.context()
            .span()
            .update_name(format!("{method} {route}"));
    }
}

/// Describes this server: as the variables of OpenTelemetry say, or else by its name and version.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = Resource::builder().build();
    let name = named.get_ref(&Key::from_static_str("service.name"));
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(version);
    if is_named {
        builder.build()
    } else {
        builder.with_service_name("artifact").build()
    }
}

/// Sends requests to the collector, on the runtime of the server.
#[derive(Debug)]
struct Collector {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last request failed. Only a change is logged.
    has_failed: AtomicBool,
}

impl Collector {
    fn new() -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(Arc::clone(&provider))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_rustls()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(SEND)
            .build()?;
        Ok(Self {
            http,
            runtime: Handle::current(),
            has_failed: AtomicBool::new(false),
        })
    }

    fn report(&self, failure: Option<&str>) {
        match failure {
            Some(reason) if !self.has_failed.swap(true, Ordering::SeqCst) => tracing::warn!(
                reason,
                "cannot send spans to the collector of --otlp-endpoint; requests are answered as before"
            ),
            None if self.has_failed.swap(false, Ordering::SeqCst) => {
                tracing::info!("spans are sent to the collector again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let request = request.try_into()?;
        // The thread that sends spans has no runtime.
        let sent = self.runtime.spawn(send(http, request)).await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| Ok(sent?));
        match &sent {
            Ok(response) if response.status().is_success() => self.report(None),
            Ok(response) => self.report(Some(response.status().as_str())),
            Err(error) => self.report(Some(&error.to_string())),
        }
        sent
    }
}

async fn send(
    http: reqwest::Client,
    request: reqwest::Request,
) -> Result<Response<Bytes>, reqwest::Error> {
    let mut received = http.execute(request).await?;
    let mut content = Vec::new();
    while let Some(piece) = received.chunk().await? {
        content.extend_from_slice(&piece);
        if content.len() > MAX_RESPONSE {
            break;
        }
    }
    let mut response = Response::new(Bytes::from(content));
    *response.status_mut() = received.status();
    *response.headers_mut() = std::mem::take(received.headers_mut());
    Ok(response)
}
