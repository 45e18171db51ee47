#![doc = include_str!("../README.md")]

mod config;
mod gate;
mod router;
mod routes;

mod admin_token;
mod authenticate;
mod credential;

mod instance;
mod json;
mod problem;

mod deposit;
mod digest_fields;
mod multipart;
mod source;

mod conditional;
mod disposition;
mod experiment;
mod fetch;
mod range;
mod verified;

pub use admin_token::{AdminToken, WeakAdminToken};
pub use authenticate::{Authenticate, AuthenticateError};
pub use config::HttpConfig;
pub use credential::{Credential, Secret};
pub use router::router;
pub use routes::{Endpoint, Who, endpoints};
