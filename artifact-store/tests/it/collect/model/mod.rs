//! A model of the fence: every interleaving of two depositors, two collectors, a client that removes and fetches, crashes and
//! the clock.
//!
//! Each step of the model is one atomic step of the real code: a call of the backend, or a transaction of the database. The
//! search visits every state that can be reached, and checks each. It needs no crate: it is the loop in [`search`].

mod steps;

use std::collections::HashSet;

use steps::{Mutant, State};

/// Visits every reachable state. Returns the number of states, or the first broken promise.
fn search(mutant: Option<Mutant>) -> Result<usize, &'static str> {
    let start = State::default();
    let mut visited = HashSet::from([start]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        if let Some(broken) = state.broken_promise() {
            return Err(broken);
        }
        for next in state.next(mutant) {
            if visited.insert(next) {
                open.push(next);
            }
        }
    }
    Ok(visited.len())
}

const ROW_WITHOUT_BYTES: Result<usize, &str> = Err("a row without bytes");

#[test]
fn the_model_of_the_collector_never_reaches_a_row_without_bytes() {
    let states = search(None).unwrap();
    assert!(states > 10_000, "the model explores only {states} states");
}

#[test]
fn the_model_finds_a_collector_that_does_not_condemn() {
    assert_eq!(search(Some(Mutant::DoesNotCondemn)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_a_collector_that_deletes_what_the_catalog_did_not_return() {
    assert_eq!(search(Some(Mutant::IgnoresTheAnswer)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_a_condemn_that_does_not_look_for_a_row_itself() {
    assert_eq!(search(Some(Mutant::CondemnsBlindly)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_a_collector_that_deletes_before_it_condemns() {
    assert_eq!(search(Some(Mutant::DeletesFirst)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_an_insert_that_ignores_condemned_ids() {
    assert_eq!(search(Some(Mutant::InsertsCondemned)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_a_removal_that_deletes_the_bytes_first() {
    assert_eq!(search(Some(Mutant::RemovesBytesFirst)), ROW_WITHOUT_BYTES);
}

#[test]
fn the_model_finds_a_removed_id_that_gets_a_row_again() {
    let broken = search(Some(Mutant::ForgetsRemovals));
    assert_eq!(broken, Err("a removed artifact is there again"));
}
