#![doc = include_str!("../README.md")]

mod config;
mod gate;
mod openapi;
mod router;
mod routes;

mod admin_token;
mod authenticate;
mod credential;
mod identity_authenticator;

mod instance;
mod json;
mod problem;
mod query;
mod refusal;
mod served;

mod deposit;
mod digest_fields;
mod multipart;
mod source;
mod uploads;

mod conditional;
mod disposition;
mod experiment;
mod fetch;
mod range;
mod verified;

mod identity;

pub use admin_token::{AdminToken, WeakAdminToken};
pub use authenticate::{Authenticate, AuthenticateError};
pub use config::HttpConfig;
pub use credential::{Credential, Secret};
pub use identity_authenticator::IdentityAuthenticator;
pub use openapi::openapi;
pub use refusal::Refusal;
pub use router::{router, router_with_identities};
pub use routes::{Endpoint, Who, endpoints};
pub use served::Served;
