//! Tests of receipts, notes, tiles and proofs.

mod flips;
mod fuzz_replay;
mod naive;
mod notes;
mod receipts;
mod texts;
mod tiles;
mod tree;
