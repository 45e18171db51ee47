//! Random sequences of calls, compared with a model.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    ArtifactId, CatalogInventory, ErrorKind, ExperimentId, ExpiryPosition, NewArtifact, Principal,
    Removal, Row, RowFilter, RowPosition,
};
use proptest::prelude::*;
use tokio::time::sleep;

use super::catalog::Feed;
use super::{Server, Site};
use crate::support::{OTHER_WORKER, experiment, external, other_experiment, worker};

/// A period that is over, one that does not end in a test, or none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Period {
    Over,
    Century,
    None,
}

impl Period {
    fn duration(self) -> Option<Duration> {
        match self {
            Self::Over => Some(Duration::ZERO),
            Self::Century => Some(Duration::from_hours(100 * 365 * 24)),
            Self::None => None,
        }
    }
}

/// The numbers of artifacts and principals are taken modulo how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    Deposit(usize, Period),
    Remove(usize, usize),
    PlaceHold(usize, usize),
    ReleaseHold(usize, usize),
    SetRetention(bool, Period),
    /// Removes what has expired, as a collector does.
    Expire,
    /// Reads a row on each server, so that it is in the caches.
    Read(usize),
    /// Lets time pass, less than a second.
    Wait(u64),
    /// Makes the removals readable or not for the watch of the second server.
    Feed(bool),
}

fn principals() -> [Principal; 6] {
    let other = OTHER_WORKER.parse().unwrap();
    [
        Principal::admin(),
        worker(),
        worker().with_admin_class(),
        external("alice"),
        Principal::worker(other, experiment()),
        Principal::worker(other, other_experiment()),
    ]
}

pub(super) fn call() -> impl Strategy<Value = Call> {
    let period = prop_oneof![
        Just(Period::Over),
        Just(Period::Century),
        Just(Period::None)
    ];
    let (artifact, principal) = (0_usize..64, 0_usize..6);
    prop_oneof![
        4 => (principal.clone(), period.clone()).prop_map(|(by, period)| Call::Deposit(by, period)),
        3 => (principal.clone(), artifact.clone()).prop_map(|(by, of)| Call::Remove(by, of)),
        2 => (principal.clone(), artifact.clone()).prop_map(|(by, of)| Call::PlaceHold(by, of)),
        1 => (principal, artifact.clone()).prop_map(|(by, of)| Call::ReleaseHold(by, of)),
        1 => (any::<bool>(), period).prop_map(|(home, period)| Call::SetRetention(home, period)),
        1 => Just(Call::Expire),
        2 => artifact.prop_map(Call::Read),
        1 => (0_u64..700).prop_map(Call::Wait),
        1 => any::<bool>().prop_map(Call::Feed),
    ]
}

/// What a server should do.
#[derive(Default)]
struct Model {
    /// Every row that was deposited, in order.
    all: Vec<Arc<Row>>,
    periods: HashMap<ArtifactId, Period>,
    live: BTreeMap<usize, Arc<Row>>,
    held: BTreeSet<ArtifactId>,
    retention: HashMap<ExperimentId, Period>,
}

impl Model {
    fn may_see(principal: &Principal, row: &Row) -> bool {
        principal
            .experiment()
            .is_none_or(|home| *home == row.experiment)
    }

    fn remove(&mut self, by: &Principal, index: usize) -> Option<ErrorKind> {
        let row = self.live.get(&index).filter(|row| Self::may_see(by, row));
        let Some(row) = row else {
            return Some(ErrorKind::NotFound);
        };
        if *by != Principal::admin() && by.id() != row.created_by {
            return Some(ErrorKind::Forbidden);
        }
        if self.held.contains(&row.id) {
            return Some(ErrorKind::Held);
        }
        self.live.remove(&index);
        None
    }

    fn hold(&mut self, by: &Principal, index: usize, place: bool) -> Option<ErrorKind> {
        if *by != Principal::admin() {
            return Some(ErrorKind::Forbidden);
        }
        let Some(row) = self.live.get(&index) else {
            return Some(ErrorKind::NotFound);
        };
        if place {
            self.held.insert(row.id);
        } else {
            self.held.remove(&row.id);
        }
        None
    }

    fn expire(&mut self) {
        let Self {
            live,
            held,
            periods,
            retention,
            ..
        } = self;
        live.retain(|_, row| {
            let period = match periods[&row.id] {
                Period::None => retention.get(&row.experiment).copied(),
                period => Some(period),
            };
            held.contains(&row.id) || !matches!(period, Some(Period::Over))
        });
    }
}

/// Removes what has expired.
async fn expire(server: &Server) {
    let mut after = Some(ExpiryPosition::START);
    while let Some(position) = after {
        let page = server.catalog.expired(&position, 3).await.unwrap();
        for id in page.ids {
            let removed = server.catalog.remove_expired(id).await.unwrap();
            assert_eq!(removed, Some(Removal::Removed));
            server.managed.store().forget(id);
        }
        after = page.next;
    }
}

/// Makes the calls on `server`. The other server on the same database, if there is one, watches removals.
pub(super) async fn run(site: &Site, server: &Server, other: Option<&Server>, calls: &[Call]) {
    let mut model = Model::default();
    let managed = &server.managed;
    for call in calls {
        let known = model.all.len();
        let chosen = |number: usize| (known > 0).then(|| number % known);
        match *call {
            Call::Deposit(by, period) => {
                let by = &principals()[by];
                let home = by.experiment().cloned().unwrap_or_else(experiment);
                let new = NewArtifact::new(home, by).with_expires_in(period.duration());
                let row = server.deposit_new(new).await;
                model.periods.insert(row.id, period);
                model.live.insert(known, row.clone());
                model.all.push(row);
            }
            Call::Remove(by, of) => {
                let Some(index) = chosen(of) else { continue };
                let by = &principals()[by];
                let outcome = server.remove_as(by, &model.all[index]).await;
                let expected = model.remove(by, index);
                assert_eq!(outcome.err().map(|error| error.kind()), expected);
            }
            Call::PlaceHold(by, of) | Call::ReleaseHold(by, of) => {
                let Some(index) = chosen(of) else { continue };
                let (by, row) = (&principals()[by], model.all[index].clone());
                let place = matches!(call, Call::PlaceHold(..));
                let outcome = if place {
                    managed.place_hold(by, &row.experiment, row.id).await
                } else {
                    let released = managed.release_hold(by, &row.experiment, row.id).await;
                    released.map(|was_held| assert_eq!(was_held, model.held.contains(&row.id)))
                };
                let expected = model.hold(by, index, place);
                assert_eq!(outcome.err().map(|error| error.kind()), expected);
            }
            Call::SetRetention(home, period) => {
                let experiment = if home {
                    experiment()
                } else {
                    other_experiment()
                };
                let keep = period.duration();
                let admin = Principal::admin();
                let set = managed.set_retention(&admin, &experiment, keep);
                set.await.unwrap();
                model.retention.insert(experiment, period);
            }
            Call::Expire => {
                expire(server).await;
                model.expire();
            }
            Call::Read(of) => {
                let Some(index) = chosen(of) else { continue };
                let found = server.finds(&model.all[index]).await;
                assert_eq!(found, model.live.contains_key(&index));
                if let Some(other) = other {
                    let found = other.finds(&model.all[index]).await;
                    // For less than a second, a removed row may be found.
                    assert!(found || !model.live.contains_key(&index));
                }
            }
            Call::Wait(millis) => {
                if other.is_some() {
                    sleep(Duration::from_millis(millis)).await;
                }
            }
            Call::Feed(works) => {
                if let Some(other) = other {
                    let feed = if works { Feed::Works } else { Feed::Fails };
                    *other.catalog.feed.lock().unwrap() = feed;
                }
            }
        }
    }
    compare(site, server, &model).await;
    if let Some(other) = other {
        sleep(Duration::from_secs(1)).await;
        for (index, row) in model.all.iter().enumerate() {
            assert_eq!(other.finds(row).await, model.live.contains_key(&index));
        }
    }
}

async fn compare(site: &Site, server: &Server, model: &Model) {
    for (index, row) in model.all.iter().enumerate() {
        let is_live = model.live.contains_key(&index);
        assert_eq!(server.finds(row).await, is_live);
        // What expired without its bytes is left for a collector.
        assert!(!is_live || site.has_blob(row.id).await);
    }
    for principal in principals() {
        let may_list = |row: &&Arc<Row>| {
            let is_own = principal.id() == row.created_by;
            Model::may_see(&principal, row) && (is_own || principal.is_admin_class())
        };
        let expected: Vec<_> = model.live.values().filter(may_list).cloned().collect();
        let rows = server.all_rows(&principal, &RowFilter::default()).await;
        assert_eq!(rows, expected, "{principal:?}");
    }
    let (admin, home) = (Principal::admin(), experiment());
    let usage = server.managed.usage(&admin, &home).await.unwrap();
    let total: u64 = usage.iter().map(|usage| usage.bytes).sum();
    let of_home = model
        .live
        .values()
        .filter(|row| row.experiment == experiment());
    assert_eq!(total, of_home.map(|row| row.size).sum::<u64>());
    // The feed has each removed row once.
    let page = server.catalog.removals(RowPosition::START, 1_000).await;
    let removed: BTreeSet<_> = page.unwrap().ids.into_iter().collect();
    let live = |index: &usize| !model.live.contains_key(index);
    let expected = (0..model.all.len()).filter(live);
    let expected: BTreeSet<_> = expected.map(|index| model.all[index].id).collect();
    assert_eq!(removed, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn two_servers_in_memory_do_what_the_model_does(calls in prop::collection::vec(call(), 1..60)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let site = Site::new();
            let database = site.memory();
            let server = site.server(database.clone()).await;
            let other = site.server(database).await;
            let _watch = other.managed.watch_removals();
            run(&site, &server, Some(&other), &calls).await;
        });
    }
}
