//! A cache of the principals that no quota limits.

use quick_cache::sync::Cache;

use crate::credential_cache::{Rights, RightsVersion};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// The principals that no quota limits, each with the version of the rights that this was read with. Every change of a quota
/// changes that version.
#[derive(Debug)]
pub(crate) struct UnlimitedCache(Cache<(ExperimentId, PrincipalId), RightsVersion>);

impl Default for UnlimitedCache {
    fn default() -> Self {
        Self(Cache::new(Self::CAPACITY))
    }
}

impl UnlimitedCache {
    /// An entry takes about 150 bytes, and at most 500.
    const CAPACITY: usize = 16 << 10;

    /// Returns whether no quota limits this principal while these are the rights.
    pub(crate) fn has(
        &self,
        experiment: &ExperimentId,
        principal: &PrincipalId,
        current: Rights,
    ) -> bool {
        if !current.has_quotas {
            return true;
        }
        let key = (experiment.clone(), principal.clone());
        self.0.get(&key) == Some(current.version)
    }

    /// Notes that no quota limited this principal in the snapshot with this version.
    pub(crate) fn insert(
        &self,
        experiment: &ExperimentId,
        principal: &PrincipalId,
        version: RightsVersion,
    ) {
        self.0
            .insert((experiment.clone(), principal.clone()), version);
    }
}
