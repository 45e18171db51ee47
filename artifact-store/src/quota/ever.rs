//! Whether a file can be deposited at all.

use super::{QuotaLimit, QuotaRefusal, QuotaScope, QuotaStatus, QuotaStore};
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// Fails if a deposit of this size does not fit into a quota even if nothing else is stored. Usually it is known without a query that
/// there is no quota.
pub(crate) async fn check_ever_fits(
    quotas: &dyn QuotaStore,
    experiment: &ExperimentId,
    depositor: &PrincipalId,
    bytes: u64,
) -> Result<()> {
    if quotas.is_unlimited(experiment, depositor)
        || !quotas.is_limited(experiment, depositor).await?
    {
        return Ok(());
    }
    for principal in [None, Some(depositor.clone())] {
        let scope = QuotaScope::new(experiment.clone(), principal);
        let status = quotas.quota(&scope).await?;
        if let Some(refusal) = status.and_then(|status| refusal(&status, bytes)) {
            return Err(refusal.into_error(bytes, None));
        }
    }
    Ok(())
}

fn refusal(status: &QuotaStatus, bytes: u64) -> Option<QuotaRefusal> {
    let (limit, maximum, left) = match (status.quota.max_bytes, status.quota.max_artifacts) {
        (Some(max), _) if bytes > max => {
            let left = status.bytes_left().unwrap_or(0);
            (QuotaLimit::Bytes, max, left)
        }
        (_, Some(0)) => (QuotaLimit::Artifacts, 0, 0),
        _ => return None,
    };
    let principal = status.scope.principal().cloned();
    Some(QuotaRefusal::new(principal, limit, maximum, left))
}
