//! The cases, in the order of the contract. Some clauses have two modules.

mod absent;
mod all_or_nothing;
mod atomic;
mod bounded;
mod concurrent;
mod contained;
mod dropped;
mod durable;
mod exact;
mod exclusive;
mod honest;
mod inventory;
mod noted;
mod ordered;
mod race;
mod range;
mod store_id;
mod sweep;

use crate::case::Case;

/// Returns every case, clause by clause.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        exclusive::CASES,
        atomic::CASES,
        durable::CASES,
        exact::CASES,
        absent::CASES,
        all_or_nothing::CASES,
        dropped::CASES,
        honest::CASES,
        bounded::CASES,
        range::CASES,
        contained::CASES,
        inventory::CASES,
        sweep::CASES,
        concurrent::CASES,
        store_id::CASES,
        ordered::CASES,
        noted::CASES,
    ]
    .into_iter()
    .flatten()
}
