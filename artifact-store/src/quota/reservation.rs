//! What a deposit asks a database to reserve.

use std::fmt;
use std::time::Duration;

use artifact_backend::ArtifactId;

use super::QuotaRefusal;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// Names the reservation of one deposit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId([u8; 16]);

impl ReservationId {
    /// Creates a random id.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "an id is useful only for a reservation"]
    pub fn mint() -> Self {
        Self(*ArtifactId::mint().as_bytes())
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReservationId({})", ArtifactId::from_bytes(self.0))
    }
}

/// What a deposit asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReservationRequest {
    /// The reservation. A repeated request with the same id replaces the earlier one.
    pub id: ReservationId,
    /// The experiment of the deposit.
    pub experiment: ExperimentId,
    /// The depositor.
    pub depositor: PrincipalId,
    /// The bytes that the deposit needs at least. It is refused if they are not left.
    pub least_bytes: u64,
    /// The bytes that the deposit wants. It gets fewer if fewer are left.
    pub wanted_bytes: u64,
    /// How long the reservation counts unless it is renewed, by the clock of the database.
    pub lease: Duration,
}

impl ReservationRequest {
    /// The most bytes that are reserved for one deposit: 8 PiB, so that the databases can add up many reservations.
    pub const MAX_BYTES: u64 = 1 << 53;

    /// Creates a request for exactly this number of bytes. A higher number than [`MAX_BYTES`](Self::MAX_BYTES) becomes that.
    pub fn new(
        id: ReservationId,
        experiment: ExperimentId,
        depositor: PrincipalId,
        bytes: u64,
        lease: Duration,
    ) -> Self {
        let bytes = bytes.min(Self::MAX_BYTES);
        Self {
            id,
            experiment,
            depositor,
            least_bytes: bytes,
            wanted_bytes: bytes,
            lease,
        }
    }

    /// Sets how many bytes the deposit wants, if they are left.
    #[must_use = "returns the changed request"]
    pub fn with_wanted_bytes(mut self, bytes: u64) -> Self {
        self.wanted_bytes = bytes.clamp(self.least_bytes, Self::MAX_BYTES);
        self
    }
}

/// What a database answers to a [`ReservationRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReservationOutcome {
    /// This number of bytes is reserved.
    Reserved(u64),
    /// There is no quota, so nothing is reserved.
    Unlimited,
    /// A quota refuses the deposit. An earlier reservation stays.
    Refused(QuotaRefusal),
}
