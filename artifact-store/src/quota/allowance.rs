//! What the quotas allow one deposit.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ArtifactId;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{QuotaScope, QuotaShortage, ReservationId, ReservationOutcome, ReservationRequest};
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::idempotency::find_earlier;
use crate::new_artifact::NewArtifact;
use crate::principal::PrincipalId;
use crate::shared::Shared;

/// The bytes that a deposit of unknown size reserves first. It doubles them when they are used up.
const FIRST_STEP: u64 = 1 << 20;

/// How often a deposit reserves again what was given to another one before its row could be written.
const SETTLE_ATTEMPTS: u32 = 3;

/// What the quotas allow one deposit: bytes and one artifact that are reserved for it, or everything if no quota limits it.
///
/// [`ArtifactStore::reserve`](crate::ArtifactStore::reserve) returns it before the first byte. Without it, a deposit reserves
/// itself when it is first written to. Dropping it gives the reservation back.
#[derive(Debug)]
#[must_use = "dropping it gives the reservation back; pass it to Deposit::with_allowance"]
pub struct Allowance {
    experiment: ExperimentId,
    depositor: PrincipalId,
    state: State,
}

#[derive(Debug)]
enum State {
    Unlimited,
    /// There is no room, but an earlier deposit has the same key, so nothing new is stored.
    Repeat,
    Reserved(Box<Reserved>),
}

/// How many bytes a deposit needs, and how many it wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    least: u64,
    wanted: u64,
}

impl Step {
    /// Returns the step of a deposit that has this number of bytes so far.
    pub(crate) fn of(shared: &Shared, new: &NewArtifact, size: u64) -> Self {
        let max = shared.config.max_artifact_bytes;
        let least = size.max(new.least_size.unwrap_or(0)).min(max);
        let wanted = match new.size_hint {
            Some(hint) if hint >= size => hint,
            _ => size.saturating_mul(2).max(FIRST_STEP),
        };
        let wanted = wanted.min(max).max(least);
        Self { least, wanted }
    }

    /// Returns the step of a deposit whose size is known.
    fn exactly(size: u64) -> Self {
        let (least, wanted) = (size, size);
        Self { least, wanted }
    }
}

impl Allowance {
    /// Reserves the first step of a deposit, unless no quota limits it. Usually that is known without a query.
    pub(crate) async fn begin(shared: &Shared, new: &NewArtifact, step: Step) -> Result<Self> {
        let state = match shared.catalog.quotas() {
            Some(quotas) if !quotas.is_unlimited(&new.experiment, &new.created_by) => {
                Box::pin(State::begin(shared, new, step)).await?
            }
            _ => State::Unlimited,
        };
        Ok(Self {
            experiment: new.experiment.clone(),
            depositor: new.created_by.clone(),
            state,
        })
    }

    /// Returns whether this is the allowance of such a deposit.
    pub(crate) fn is_for(&self, new: &NewArtifact) -> bool {
        self.experiment == new.experiment && self.depositor == new.created_by
    }

    /// Returns whether no quota limits the deposit.
    pub(crate) fn is_unlimited(&self) -> bool {
        matches!(self.state, State::Unlimited)
    }

    /// Returns whether a deposit may have this number of bytes, and need not renew its reservation yet.
    pub(crate) fn covers(&self, size: u64) -> bool {
        match &self.state {
            State::Unlimited | State::Repeat => true,
            State::Reserved(reserved) => {
                size <= reserved.bytes && reserved.renewed.elapsed() < reserved.lease / 3
            }
        }
    }

    /// Reserves more bytes, or renews the reservation.
    pub(crate) async fn grow(&mut self, step: Step) -> Result<()> {
        let State::Reserved(reserved) = &mut self.state else {
            return Ok(());
        };
        // Bytes that were reserved are not given back before the end.
        let wanted = step.wanted.max(reserved.bytes);
        let is_limited = reserved.request(Step { wanted, ..step }).await?;
        if !is_limited {
            self.state = State::Unlimited;
        }
        Ok(())
    }

    /// Lowers the reservation to the exact size of an artifact whose bytes are stored. Its row may then be written.
    pub(crate) async fn settle(
        &mut self,
        shared: &Shared,
        new: &NewArtifact,
        artifact: ArtifactId,
        size: u64,
    ) -> Result<()> {
        let step = Step::exactly(size);
        if matches!(self.state, State::Repeat) {
            // The earlier deposit has been forgotten since.
            let (state, refused) = reserve(shared, new, step).await?;
            if let Some(refused) = refused {
                return Err(refused);
            }
            self.state = state;
        }
        let State::Reserved(reserved) = &mut self.state else {
            return Ok(());
        };
        for _ in 0..SETTLE_ATTEMPTS {
            if reserved.settle(artifact, size).await? {
                return Ok(());
            }
            // The lease was over, and another deposit has taken the room.
            if !reserved.request(step).await? {
                self.state = State::Unlimited;
                return Ok(());
            }
        }
        Err(
            Error::new(ErrorKind::Unavailable, Operation::Deposit).with_detail(
                "the reservation of the deposit ended too early; raise the lease of quotas",
            ),
        )
    }

    /// Ends the reservation. `written` says what is known about the row: if it may still be written, the reservation counts until
    /// its lease is over.
    pub(crate) fn end(mut self, written: &Result<bool>) {
        let State::Reserved(reserved) = &mut self.state else {
            return;
        };
        match written {
            Ok(false) => reserved.may_get_row = false,
            Err(error) if error.kind() != ErrorKind::Unavailable => reserved.may_get_row = false,
            // The row counts instead, from its transaction on.
            Ok(true) | Err(_) => {}
        }
    }
}

impl State {
    /// Asks the database whether there is a quota, and reserves.
    async fn begin(shared: &Shared, new: &NewArtifact, step: Step) -> Result<Self> {
        let Some(quotas) = shared.catalog.quotas() else {
            return Ok(Self::Unlimited);
        };
        if !quotas.is_limited(&new.experiment, &new.created_by).await? {
            return Ok(Self::Unlimited);
        }
        let (state, refused) = reserve(shared, new, step).await?;
        let Some(refused) = refused else {
            return Ok(state);
        };
        // A repeated deposit gets the earlier artifact, also if there is no room for another one.
        if let Some(key) = &new.idempotency_key
            && find_earlier(&*shared.catalog, new, key).await?.is_some()
        {
            return Ok(Self::Repeat);
        }
        Err(refused)
    }
}

/// Makes a new reservation. Also returns the error of a deposit that is refused.
async fn reserve(shared: &Shared, new: &NewArtifact, step: Step) -> Result<(State, Option<Error>)> {
    let mut reserved = Box::new(Reserved {
        id: ReservationId::mint(),
        catalog: Arc::clone(&shared.catalog),
        lease: shared.config.quota_lease,
        experiment: new.experiment.clone(),
        depositor: new.created_by.clone(),
        bytes: 0,
        renewed: Instant::now(),
        may_get_row: false,
        is_made: false,
    });
    match reserved.request(step).await {
        Ok(true) => Ok((State::Reserved(reserved), None)),
        Ok(false) => Ok((State::Unlimited, None)),
        Err(error) if is_refusal(&error) => Ok((State::Unlimited, Some(error))),
        Err(error) => Err(error),
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::QuotaExceeded | ErrorKind::TooManyInFlight
    )
}

/// A reservation. Dropping it releases it, unless the row may still be written.
#[derive(Debug)]
struct Reserved {
    id: ReservationId,
    catalog: Arc<dyn Catalog>,
    lease: Duration,
    experiment: ExperimentId,
    depositor: PrincipalId,
    bytes: u64,
    /// A moment before the lease began.
    renewed: Instant,
    may_get_row: bool,
    /// Whether the database may have it.
    is_made: bool,
}

impl Reserved {
    /// Makes the reservation, or renews and changes it. Returns `false` if there is no quota any more.
    async fn request(&mut self, step: Step) -> Result<bool> {
        let Some(quotas) = self.catalog.quotas() else {
            return Ok(false);
        };
        let request = ReservationRequest::new(
            self.id,
            self.experiment.clone(),
            self.depositor.clone(),
            step.least,
            self.lease,
        )
        .with_wanted_bytes(step.wanted);
        let began = Instant::now();
        // A lease that is over does not count.
        let is_held = self.is_made && self.renewed.elapsed() < self.lease;
        let own = is_held.then_some(self.bytes);
        self.is_made = true;
        match quotas.reserve(&request).await? {
            ReservationOutcome::Reserved(bytes) => {
                (self.bytes, self.renewed) = (bytes, began);
                Ok(true)
            }
            ReservationOutcome::Unlimited => Ok(false),
            ReservationOutcome::Refused(refusal) => {
                let scope = QuotaScope::new(self.experiment.clone(), refusal.principal.clone());
                // It only explains the refusal, which is final.
                let status = quotas.quota(&scope).await.ok().flatten();
                let shortage =
                    status.map(|status| QuotaShortage::new(&refusal, &status, own, step.least));
                Err(refusal.into_error(step.least, shortage))
            }
        }
    }

    async fn settle(&mut self, artifact: ArtifactId, size: u64) -> Result<bool> {
        let Some(quotas) = self.catalog.quotas() else {
            return Ok(true);
        };
        let lease = self.lease;
        let is_settled = quotas.settle(self.id, artifact, size, lease).await?;
        self.may_get_row |= is_settled;
        Ok(is_settled)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.may_get_row || !self.is_made {
            return;
        }
        // Without a runtime, the reservation ends with its lease.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (catalog, id) = (Arc::clone(&self.catalog), self.id);
        runtime.spawn(async move {
            let Some(quotas) = catalog.quotas() else {
                return;
            };
            if let Err(error) = quotas.release(id).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a reservation could not be released; it ends with its lease"
                );
            }
        });
    }
}
