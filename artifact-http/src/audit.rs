//! The audit log: one line for each request below the base paths.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use artifact_audit::{AuditEvent, AuditField, AuditKind, AuditLog, AuditOutcome};
use axum::response::Response;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, Method};

use crate::endpoint::{Endpoint, has_path};
use crate::endpoints::{endpoints, get_for_head};
use crate::head::Head;
use crate::problem::Problem;
use crate::request_info::RequestInfo;
use crate::router::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a request id.
const MAX_REQUEST_ID: usize = 128;
/// The action of a request that no endpoint answers.
const NO_ENDPOINT: &str = "none";

type FindClient = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// An audit log for the endpoints, and what it records about clients.
///
/// Each request below the base paths leaves one line, whatever becomes of it: also one that is refused, whose handler panics, or whose client
/// disconnects before there is an answer. The request id is that of the header field `X-Request-Id`, if it has 1 to 128 of the
/// characters `A-Z a-z 0-9 - . _ ~`; a layer in front can set it, as `artifact-server` does. The paths `/healthz`, `/readyz`,
/// `/openapi.json`, the page and unknown paths elsewhere leave no line.
///
/// While the log cannot be written, these requests are answered 503, unless the log [goes on](artifact_audit::OnFailure).
#[derive(Clone)]
pub struct HttpAudit {
    log: AuditLog,
    client: Option<Arc<FindClient>>,
}

impl HttpAudit {
    /// Records into a log. Lines have no address of the client.
    pub fn new(log: AuditLog) -> Self {
        Self { log, client: None }
    }

    /// Records the address of the client, which `find` reads from the extensions of the request. An address is personal data.
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use artifact_audit::AuditLog;
    /// # use artifact_http::HttpAudit;
    /// # use axum::extract::ConnectInfo;
    /// # fn audit(log: AuditLog) -> HttpAudit {
    /// HttpAudit::new(log).with_client_address(|extensions| {
    ///     let connection = extensions.get::<ConnectInfo<SocketAddr>>()?;
    ///     Some(connection.0.ip())
    /// })
    /// # }
    /// ```
    #[must_use = "returns the changed settings"]
    pub fn with_client_address(
        mut self,
        find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.client = Some(Arc::new(find));
        self
    }

    /// Returns the log.
    pub fn log(&self) -> &AuditLog {
        &self.log
    }
}

impl fmt::Debug for HttpAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAudit")
            .field("log", &self.log)
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// A request that will leave a line. If this is dropped before [`end`](Self::end), because the client is gone, it leaves one with
/// the outcome `unknown`.
#[derive(Debug)]
pub(crate) struct AuditedRequest<'s> {
    service: &'s Service,
    head: &'s Head,
    /// `None` if the request leaves no line, or has left it.
    audit: Option<&'s HttpAudit>,
    pub(crate) info: RequestInfo,
}

impl<'s> AuditedRequest<'s> {
    /// Begins a request.
    pub(crate) fn begin(service: &'s Service, head: &'s Head) -> Self {
        let audit = service.config.audit.as_ref();
        let audit = audit.filter(|_| service.config.find_api(head.uri.path()).is_some());
        Self {
            service,
            head,
            audit,
            info: RequestInfo::UNKNOWN,
        }
    }

    /// Checks that the line of the request can be written.
    pub(crate) fn check(&mut self) -> Result<(), Problem> {
        let Some(Err(_)) = self.audit.map(|audit| audit.log.check()) else {
            return Ok(());
        };
        // The log itself has raised an alarm. It can take no line about this request.
        self.audit = None;
        Err(Problem::unavailable(
            "the server cannot write its audit log now; try again",
        ))
    }

    /// Records the outcome of the request, and waits for the line if it must be on disk before the answer.
    pub(crate) async fn end(
        mut self,
        outcome: Result<Response, Problem>,
    ) -> (Result<Response, Problem>, RequestInfo) {
        let recorded = self.audit.take().map(|audit| {
            let (status, problem) = match &outcome {
                Ok(response) => (response.status(), None),
                Err(problem) => (problem.status(), problem.name()),
            };
            let event = self
                .event(audit, AuditOutcome::of_status(status.as_u16()))
                .with_status(status.as_u16())
                .with_some(AuditField::Problem, problem);
            audit.log.record(&event)
        });
        let mut info = std::mem::replace(&mut self.info, RequestInfo::UNKNOWN);
        info.subject = self.head.take_subject();
        let Some(recorded) = recorded else {
            return (outcome, info);
        };
        let outcome = match recorded.wait().await {
            Ok(()) => outcome,
            Err(error) => {
                let detail =
                    "the server cannot write its audit log now; the change may have been made";
                Err(Problem::unavailable(detail).with_source(error))
            }
        };
        (outcome, info)
    }

    fn event(&self, audit: &HttpAudit, outcome: AuditOutcome) -> AuditEvent {
        let routed = self.info.endpoint.and_then(find_by_id);
        let endpoint = routed.or_else(|| find(self.service, self.head));
        let (action, kind) = match endpoint {
            Some(endpoint) => (endpoint.id, kind(endpoint)),
            None => (NO_ENDPOINT, AuditKind::Read),
        };
        let client = audit.client.as_ref();
        let client = client.and_then(|find| find(&self.head.extensions));
        let principal = self.info.principal().map(ToString::to_string);
        let event = AuditEvent::new(action, kind, outcome)
            .with_some(AuditField::RequestId, request_id(&self.head.headers))
            .with_some(AuditField::Method, method_name(&self.head.method))
            .with_some(AuditField::Principal, principal)
            .with_some(
                AuditField::Client,
                client.map(|address| address.to_string()),
            );
        self.head.with_subject(|subject| {
            let experiment = subject.experiment.as_ref();
            let event = event
                .with_some(
                    AuditField::Experiment,
                    experiment.map(|id| id.as_str().to_owned()),
                )
                .with_some(
                    AuditField::Artifact,
                    subject.artifact.map(|id| id.to_string()),
                );
            let objects = subject.objects.iter();
            objects.fold(event, |event, (field, text)| {
                event.with(*field, text.clone())
            })
        })
    }
}

impl Drop for AuditedRequest<'_> {
    fn drop(&mut self) {
        if let Some(audit) = self.audit.take() {
            // The client is gone, so no one waits for the line.
            drop(audit.log.record(&self.event(audit, AuditOutcome::Unknown)));
        }
    }
}

/// Returns the sort of action of an endpoint. One that is not named here counts as a change of the administration, so that its
/// line is on disk before the answer.
pub(crate) fn kind(endpoint: &Endpoint) -> AuditKind {
    match endpoint.id {
        "fetch" | "fetchContent" | "fetchFile" | "fetchLink" => AuditKind::Fetch,
        "deposit" | "depositContent" | "putFile" | "createUpload" | "appendUpload"
        | "endUpload" => AuditKind::Deposit,
        "createCollection" | "sealCollection" => AuditKind::Collection,
        "createGrant" | "revokeGrant" | "createCollectionGrant" | "revokeCollectionGrant" => {
            AuditKind::Grant
        }
        "createLink" | "revokeLink" => AuditKind::Link,
        "deleteArtifact" | "deleteFile" | "deleteCollection" => AuditKind::Deletion,
        "registerWorker"
        | "registerManagedWorker"
        | "reissueCredential"
        | "issueToken"
        | "revokeToken"
        | "deleteWorker"
        | "registerAdministrator"
        | "issueAdministratorToken"
        | "revokeAdministratorToken"
        | "deleteAdministrator" => AuditKind::Credential,
        _ if matches!(endpoint.method, Method::GET | Method::OPTIONS) => AuditKind::Read,
        _ => AuditKind::Admin,
    }
}

fn find_by_id(id: &str) -> Option<&'static Endpoint> {
    let mut all = endpoints().iter();
    all.find(|endpoint| endpoint.id == id).copied()
}

/// Returns the endpoint that a request is for, by its method and path alone: the checks before the route have refused it.
fn find(service: &Service, parts: &Parts) -> Option<&'static Endpoint> {
    let (api, rest) = service.config.find_api(parts.uri.path())?;
    let path = format!("{}{rest}", api.default_base());
    let method = get_for_head(parts);
    let mut served = endpoints()
        .iter()
        .filter(|endpoint| service.serves(endpoint));
    served
        .find(|endpoint| endpoint.method == method && has_path(endpoint.path, &path))
        .copied()
}

/// Returns the id of a request, if it has one that no log or shell interprets.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let bytes = value.as_bytes();
    let is_valid = (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(allowed);
    let text = value.to_str().ok().filter(|_| is_valid);
    text.map(str::to_owned)
}

/// Returns the name of a method that an endpoint can have: a client can send any text as a method.
fn method_name(method: &Method) -> Option<&'static str> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let at = known.iter().position(|known| known == method)?;
    Some(names[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_that_changes_something_has_a_kind_of_change() {
        for endpoint in endpoints() {
            let kind = kind(endpoint);
            if matches!(endpoint.method, Method::GET | Method::OPTIONS) {
                assert!(!kind.is_change(), "{}", endpoint.id);
            } else {
                assert_ne!(kind, AuditKind::Read, "{}", endpoint.id);
                assert_ne!(kind, AuditKind::Fetch, "{}", endpoint.id);
            }
        }
    }

    #[test]
    fn request_ids_are_short_and_plain() {
        let id = |values: &[&str]| {
            let values = values
                .iter()
                .map(|value| (REQUEST_ID, value.parse().unwrap()));
            request_id(&values.collect())
        };
        assert_eq!(id(&["a-B.1_~"]).as_deref(), Some("a-B.1_~"));
        let long = "x".repeat(MAX_REQUEST_ID + 1);
        assert_eq!(id(&[&long[1..]]).as_deref(), Some(&long[1..]));
        for bad in [&[][..], &[""], &[&*long], &["a b"], &["a\""]] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
        let mut two = HeaderMap::new();
        two.append(REQUEST_ID, "a".parse().unwrap());
        two.append(REQUEST_ID, "b".parse().unwrap());
        assert_eq!(request_id(&two), None);
    }
}
