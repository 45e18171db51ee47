//! Which queries wait for which.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use artifact_backend::background;
use jiff::Timestamp;
use tokio::time::timeout;

use super::{MAX_LISTS, SqliteDatabase};
use crate::catalog::{Catalog, CatalogInventory, RowFilter, RowPosition};
use crate::error::Operation;
use crate::experiment::Experiment;
use crate::identity::{IdentityStore, ListPosition, WorkerId};

/// A door that queries wait at.
#[derive(Debug, Default)]
struct Door {
    waiting: Mutex<(u32, bool)>,
    changed: Condvar,
}

impl Door {
    fn pass(&self) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.0 += 1;
        self.changed.notify_all();
        drop(
            self.changed
                .wait_while(waiting, |(_, open)| !*open)
                .unwrap(),
        );
    }

    /// Blocks until this number of queries wait.
    fn wait_for(&self, count: u32) {
        let waiting = self.waiting.lock().unwrap();
        drop(
            self.changed
                .wait_while(waiting, |(now, _)| *now < count)
                .unwrap(),
        );
    }

    fn open(&self) {
        self.waiting.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_and_writes_do_not_wait_for_lists() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Arc::new(
        SqliteDatabase::open(folder.path().join("rows.sqlite"))
            .await
            .unwrap(),
    );
    let founded = Experiment::new("exp-1".parse().unwrap(), Timestamp::UNIX_EPOCH);
    let door = Arc::new(Door::default());
    // Every connection for lists is held, and 512 further lists wait for one.
    let lists: Vec<_> = (0..MAX_LISTS + 512)
        .map(|_| {
            let (rows, door) = (Arc::clone(&rows), Arc::clone(&door));
            tokio::spawn(async move {
                let query = move |_: &_| {
                    door.pass();
                    Ok(())
                };
                rows.lists.query(Operation::FindWorker.into(), query).await
            })
        })
        .collect();
    let held = Arc::clone(&door);
    tokio::task::spawn_blocking(move || held.wait_for(MAX_LISTS))
        .await
        .unwrap();
    let others = async {
        rows.create_experiment(&founded).await.unwrap();
        assert_eq!(rows.credential(WorkerId::mint()).await.unwrap(), None);
        assert_eq!(
            rows.worker(&founded.id, WorkerId::mint()).await.unwrap(),
            None
        );
    };
    timeout(Duration::from_mins(1), others)
        .await
        .expect("a look-up waits for a list");
    let maintenance = background(async {
        let all = RowFilter::default();
        let page = rows.scan(&all, RowPosition::START, 1).await.unwrap();
        assert_eq!(page.rows, []);
        assert_eq!(rows.last_scrub().await.unwrap(), None);
    });
    timeout(Duration::from_mins(1), maintenance)
        .await
        .expect("maintenance waits for a list");
    // A list does wait for those before it.
    let start = ListPosition::START;
    let list = rows.worker_page(&founded.id, None, &start);
    futures_util::pin_mut!(list);
    assert!(futures_util::poll!(&mut list).is_pending());
    door.open();
    for done in lists {
        done.await.unwrap().unwrap();
    }
    assert_eq!(list.await.unwrap().records, []);
}
