//! Tests of receipts, notes, tiles and proofs.

#![expect(clippy::unwrap_used, reason = "what helps tests is a test too")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "the trees of these tests are small"
)]

mod flips;
mod fuzz_replay;
mod naive;
mod notes;
mod receipts;
mod texts;
mod tiles;
mod tree;
