//! The endpoints under `/v1`: deposit, fetch, list, remove, hold and expire artifacts, and experiments.

mod artifact;
mod content;
mod deposit;
mod experiments;
mod hold;
mod list;
mod parameters;
mod quota;
mod retention;
mod usage;

use artifact_store::ManagedStore;

pub(crate) use self::artifact::{ArtifactBody, DeleteArtifact, ReadArtifact};
pub(crate) use self::content::FetchContent;
pub(crate) use self::deposit::DepositContent;
pub(crate) use self::deposit::check_no_form;
pub(crate) use self::experiments::{CreateExperiment, ListExperiments};
pub(crate) use self::hold::{HoldArtifact, ReleaseArtifact};
pub(crate) use self::list::{ListArtifacts, page_limit};
pub(crate) use self::parameters::{Parameters, number};
pub(crate) use self::quota::{
    ListQuotas, ReadQuota, ReadWorkerQuota, RemoveQuota, RemoveWorkerQuota, SetQuota,
    SetWorkerQuota,
};
pub(crate) use self::retention::{ReadRetention, SetRetention};
pub(crate) use self::usage::ReadUsage;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::router::Service;

/// The longest time in seconds that an artifact can be kept, unless it is kept for ever: 100 years of 365 days.
pub(crate) const MAX_KEEP_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// Returns the managed store of a router that has these endpoints.
fn managed(service: &Service) -> Result<&ManagedStore, Problem> {
    let managed = service.config.managed();
    managed.ok_or_else(|| Problem::internal("this router has no managed store"))
}

/// Checks that a request has no query parameters.
pub(crate) fn check_no_parameters<S>(request: &AuthorizedRequest<'_, S>) -> Result<(), Problem> {
    Parameters::parse(request.parts.uri.query(), &[]).map(drop)
}
