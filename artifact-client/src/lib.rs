#![doc = include_str!("../README.md")]

mod client;
mod credential;
mod error;

mod body;
mod deposit;
mod multipart;
mod stall;

mod disposition;
mod fetch;
mod repr_digest;

mod problem;

pub use body::Body;
pub use client::{Client, ClientBuilder};
pub use credential::Credential;
pub use deposit::{DepositOptions, Deposited};
pub use error::{BoxError, Error, ErrorKind, Operation, Result};
pub use fetch::Fetched;
pub use problem::Problem;
