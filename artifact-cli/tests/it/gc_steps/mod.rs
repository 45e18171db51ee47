//! The collector against depositors, each a process of its own, stopped or killed at every step.
//!
//! A step is a system call on a file of the store, or on a socket to the database. While a process is stopped there, the
//! others go on. However they interleave, no row may lose its bytes.
//!
//! A collector makes a step for each artifact that it lists, and the depositors add some while it is stopped. So a collector
//! that is stopped at all of its steps never ends; it is stopped at the first of each kind, and at some later ones.

mod planted;
mod site;
mod steps;

use std::collections::HashMap;

use artifact_crash_test::RunOutcome;
use artifact_crash_test::syscalls::Fault;

use self::planted::Planter;
use self::site::Site;
use crate::clients::random::Random;
use crate::clients::{Clients, Work, seed};
use crate::traced::is_untraceable;

/// The depositors of the tests that stop a collector.
const CROWD: Work = Work {
    principals: 8,
    tasks: 64,
    sizes: &[0, 1, 500, 3_000],
    // As many as deposits, so that the store stays small and a collection short.
    deletes: 42,
};
/// The acknowledged deposits for which a stopped collector waits.
const MEANWHILE: u64 = 2;
/// A collector is stopped at the first step of a kind, and at those whose number is a power of this one.
const STOPS_OF_A_KIND: u64 = 4;
/// The deposits whose rows come while a collector is stopped, one at each stop, after it has begun to list blobs.
const LATE: usize = 64;
/// At one stop of this number, another collector runs to its end while this one is stopped.
const OTHER_COLLECTOR: u64 = 16;
/// How many of its steps a collector is killed at.
const KILLS: u64 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_stopped_at_every_step_leaves_no_row_without_bytes() {
    if is_untraceable() {
        return;
    }
    stop_at_every_step(&Site::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_killed_at_any_step_leaves_a_store_that_the_next_one_completes() {
    if is_untraceable() {
        return;
    }
    kill_at_steps(&Site::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_at_any_step_of_a_deposit_leaves_no_row_without_bytes() {
    if is_untraceable() {
        return;
    }
    steps::collect_at_every_step(&Site::on_sqlite()).await;
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_stopped_at_every_step_leaves_no_row_without_bytes() {
        let Some(server) = artifact_postgres_test::Server::shared() else {
            return;
        };
        if !is_untraceable() {
            stop_at_every_step(&Site::on(server.database().url())).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_killed_at_any_step_leaves_a_store_that_the_next_one_completes() {
        let Some(server) = artifact_postgres_test::Server::shared() else {
            return;
        };
        if !is_untraceable() {
            kill_at_steps(&Site::on(server.database().url())).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collection_at_any_step_of_a_deposit_leaves_no_row_without_bytes() {
        let Some(server) = artifact_postgres_test::Server::shared() else {
            return;
        };
        if !is_untraceable() {
            steps::collect_at_every_step(&Site::on(server.database().url())).await;
        }
    }
}

/// Stops a collector at its steps while 64 depositors use two servers.
#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
async fn stop_at_every_step(site: &Site) {
    let seed = seed();
    let mut random = Random(seed);
    let mut clients = Clients::register(site.urls(), &site.admin(), CROWD, seed).await;
    clients.start();
    clients.go_on(CROWD.tasks as u64).await;
    // Otherwise, it would condemn and delete nothing.
    let planter = Planter::open(site).await;
    let orphans = planter.plant().await;
    // Planted when the collector begins to list blobs.
    let mut late: Option<Vec<_>> = None;
    let (mut kept, mut refused) = (Vec::new(), 0);
    let (mut stops, mut locked, mut others) = (0, 0, 0);
    let mut counted: HashMap<String, u64> = HashMap::new();
    let runtime = tokio::runtime::Handle::current();
    let run = tokio::task::block_in_place(|| {
        site.trace(&site.collector(), |call| {
            if !site.is_step(call) || !site::is_shared(call) {
                return None;
            }
            let number = counted.entry(site.kind(call)).or_default();
            *number += 1;
            if !is_power(*number, STOPS_OF_A_KIND) {
                return None;
            }
            stops += 1;
            site.age_new();
            if !runtime.block_on(site.go_on(&mut clients, MEANWHILE)) {
                locked += 1;
            } else if late.as_ref().is_none_or(Vec::is_empty)
                && random.next().is_multiple_of(OTHER_COLLECTOR)
            {
                // Otherwise, it would condemn the late deposits before this collector finds them.
                others += u64::from(site.gc_unless_locked().is_some());
            }
            if call.name == "getdents64" && late.is_none() {
                late = Some(runtime.block_on(planter.plant_late(LATE)));
            } else if !site.is_locked_by_other()
                && let Some(row) = late.as_mut().and_then(Vec::pop)
            {
                match runtime.block_on(planter.insert(&row)) {
                    Some(true) => kept.push(row),
                    Some(false) => refused += 1,
                    None => late.get_or_insert_default().push(row),
                }
            }
            // The bytes of the deposits that wait for their rows now look old when the collector lists them.
            site.age_new();
            None
        })
    });
    clients.stop().await;
    let ledger = clients.ledger.lock().unwrap().summary();
    println!(
        "stopped at {stops} of {} steps of {} kinds, at {locked} with a lock; {others} other collections; {} late rows kept, \
         {refused} refused; {ledger}",
        counted.values().sum::<u64>(),
        counted.len(),
        kept.len()
    );
    assert_eq!(run.outcome, RunOutcome::Success);
    // Whether a late row comes before its id is condemned depends on the moment, so there may be no refused one.
    assert!(stops > 50 && kept.len() > 5, "too few to say anything");
    site.check_whole(&clients).await;
    planter.check_gone(&orphans).await;
    planter.check_kept(&kept).await;
}

/// Returns whether a number is 1, or a power of `base`.
fn is_power(number: u64, base: u64) -> bool {
    let mut power = 1;
    while power < number {
        power *= base;
    }
    power == number
}

/// Kills a collector at a random choice of its steps. After each kill, another one runs.
#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
async fn kill_at_steps(site: &Site) {
    let seed = seed();
    let mut random = Random(seed);
    let work = Work { tasks: 8, ..CROWD };
    let mut clients = Clients::register(site.urls(), &site.admin(), work, seed).await;
    clients.start();
    let planter = Planter::open(site).await;
    let mut kills = 0;
    let mut steps = 0;
    for round in 0..=KILLS {
        let orphans = planter.plant().await;
        site.age_new();
        // The first run counts the steps. Later ones may have more or fewer.
        let kill_at = (round > 0).then(|| random.next() % steps);
        let mut step = 0;
        let run = tokio::task::block_in_place(|| {
            site.trace(&site.collector(), |call| {
                if !site.is_step(call) {
                    return None;
                }
                step += 1;
                (Some(step - 1) == kill_at).then_some(Fault::KillBefore)
            })
        });
        match run.outcome {
            RunOutcome::Killed => kills += 1,
            outcome => assert_eq!(outcome, RunOutcome::Success),
        }
        steps = steps.max(step);
        clients.go_on(MEANWHILE).await;
        site.gc();
        planter.check_gone(&orphans).await;
    }
    clients.stop().await;
    println!("killed at {kills} of {steps} steps");
    assert!(kills >= KILLS / 2, "{kills} kills");
    site.check_whole(&clients).await;
}
