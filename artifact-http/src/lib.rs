#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod audit;
mod binding;
mod config;
mod dispatch;
mod endpoint;
mod endpoints;
mod head;
mod metrics;
mod openapi;
#[cfg(feature = "page")]
mod page;
mod request;
mod request_info;
mod route;
mod router;
mod service;
mod sharing;
mod uploads;

mod admin_token;
mod auth_scheme;
mod authenticate;
mod credential;
mod identity_authenticator;

mod collections;
mod concurrency_limiter;
mod instance;
mod problem;
mod problem_layer;
mod query;
mod rate_limiter;
mod readiness;
mod refusal;
mod response;
mod text;

mod deposit;
mod outlive;

mod artifact_fields;
mod fetch;

mod experiment;
mod health;
mod identity;
mod management;
mod receipts;

#[doc(hidden)]
pub mod fuzzing;

pub use audit::HttpAudit;

pub use admin_token::{AdminToken, WeakAdminToken};
pub use auth_scheme::AuthScheme;
pub use authenticate::{Authenticate, AuthenticateError};
pub use binding::{BasePath, ErrorPrefix, ExperimentHeader, InvalidBindingName};
pub use config::{HttpConfig, RequestRate};
pub use credential::{Credential, Secret, bearer_token};
pub use endpoint::{Access, Endpoint};
pub use endpoints::endpoints;
pub use identity_authenticator::IdentityAuthenticator;
pub use metrics::METRICS;
pub use openapi::{openapi, openapi_of};
pub use problem_layer::{ProblemLayer, ProblemService};
pub use refusal::Refusal;
pub use request_info::RequestInfo;
pub use router::{router, router_with_identities};
pub use service::HttpService;
