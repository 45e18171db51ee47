//! The scenarios, one file for each part of the protocol.

mod administrators;
mod cap;
mod collections;
mod conditionals;
mod content;
mod credentials;
mod cycles;
mod delivery;
mod deposits;
mod digests;
mod endpoints;
mod experiments;
mod fetches;
mod forms;
mod framing;
mod groups;
mod ids;
mod json;
mod keys;
mod management;
mod names;
mod order;
mod page;
mod paths;
mod problems;
mod quotas;
mod ranges;
mod read_rule;
mod receipts;
mod sharing;
mod tokens;
mod uploads;
mod uploads_by_draft;
mod uploads_verified;
mod whoami;
mod workers;

use crate::scenario::Scenario;

/// Returns all scenarios, in the order in which they run: basic behaviour first.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        paths::SCENARIOS,
        order::SCENARIOS,
        credentials::SCENARIOS,
        experiments::SCENARIOS,
        problems::SCENARIOS,
        json::SCENARIOS,
        names::SCENARIOS,
        ids::SCENARIOS,
        workers::SCENARIOS,
        whoami::SCENARIOS,
        groups::SCENARIOS,
        cycles::SCENARIOS,
        deposits::SCENARIOS,
        forms::SCENARIOS,
        digests::SCENARIOS,
        cap::SCENARIOS,
        fetches::SCENARIOS,
        read_rule::SCENARIOS,
        delivery::SCENARIOS,
        ranges::SCENARIOS,
        conditionals::SCENARIOS,
        management::SCENARIOS,
        content::SCENARIOS,
        keys::SCENARIOS,
        quotas::SCENARIOS,
        receipts::SCENARIOS,
        tokens::SCENARIOS,
        sharing::SCENARIOS,
        page::SCENARIOS,
        uploads::SCENARIOS,
        uploads_verified::SCENARIOS,
        uploads_by_draft::SCENARIOS,
        administrators::SCENARIOS,
        framing::SCENARIOS,
    ]
    .into_iter()
    .chain(collections::SCENARIOS)
    .flatten()
}
