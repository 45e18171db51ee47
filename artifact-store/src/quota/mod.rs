//! Quotas: how much principals and experiments may store.
//!
//! A deposit reserves what it may store before it stores it, and the database counts reservations like stored bytes. So the rows
//! of a quota never exceed it, also if many servers write at the same time. See `docs/quotas.md` of the project.

mod allowance;
mod ever;
mod limits;
mod manage;
mod refusal;
mod reservation;
mod status;
mod store;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod unlimited;

pub use allowance::Allowance;
pub(crate) use allowance::Step;
pub(crate) use ever::check_ever_fits;
pub use limits::{Quota, QuotaScope};
pub use refusal::{QuotaLimit, QuotaRefusal, QuotaShortage};
pub use reservation::{ReservationId, ReservationOutcome, ReservationRequest};
pub use status::{QuotaPage, QuotaStatus};
pub use store::QuotaStore;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use unlimited::UnlimitedCache;
