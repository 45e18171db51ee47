#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod binding;
mod builder;
mod client;
mod credential;
mod error;
mod problem;
mod progress;
mod resolver;
mod response;
mod retry;
mod retry_after;
mod stall;
mod text;
mod tls;

mod body;
mod deposit;
mod deposit_options;
mod multipart;
mod resumable;

mod content_range;
mod disposition;
mod fetch;
mod metadata;
mod repr_digest;
mod transfer;

mod administrators;
mod collections;
mod identity;
mod management;
mod sharing;

pub use artifact_backend::{ByteRange, Sha256Digest};
pub use secrecy::{ExposeSecret, SecretString};

pub use administrators::{Administrator, NewAdministrator, RegisteredAdministrator};
pub use body::Body;
pub use builder::ClientBuilder;
pub use client::Client;
pub use collections::{
    Collection, CollectionFile, CollectionPage, FileFilter, FilePage, Manifest, ManifestTotal,
};
pub use credential::Credential;
pub use deposit::Deposited;
pub use deposit_options::DepositOptions;
pub use error::{BoxError, Error, ErrorKind, Operation, Result};
pub use fetch::{FetchOptions, Fetched};
pub use identity::{Experiment, Group, NewGroup, NewWorker, RegisteredWorker, Whoami, Worker};
pub use management::{
    Artifact, ArtifactHold, ArtifactInfo, ArtifactPage, ListFilter, PrincipalUsage, Quota,
    QuotaPage, QuotaStatus, Usage,
};
pub use metadata::Metadata;
pub use problem::Problem;
pub use progress::Progress;
pub use retry::RetryPolicy;
pub use sharing::{
    CollectionGrant, CollectionGrantPage, CreatedLink, Grant, GrantPage, Grantee, Link, LinkPage,
};
