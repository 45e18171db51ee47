//! What a dropped collection leaves.

use std::pin::pin;
use std::time::Duration;

use tokio::task::yield_now;

use super::site::{DAY, Site};
use crate::support::poll_once;

#[tokio::test]
async fn a_collection_that_is_dropped_at_any_moment_leaves_no_row_without_its_blob() {
    let (mut polls, mut halfway) = (0, 0);
    loop {
        let site = Site::new().await;
        let mut old = Vec::new();
        for _ in 0..20 {
            old.push(site.deposit(b"expired").await.id);
            old.push(site.orphan(b"lost").await);
        }
        site.keep_for(Duration::from_hours(1)).await;
        site.clock.advance(DAY);
        let kept = site.deposit(b"kept").await.id;

        let collector = site.collector(site.options());
        let is_done = {
            let mut run = pin!(collector.run(|_| ()));
            let mut is_done = false;
            for _ in 0..polls {
                is_done = poll_once(run.as_mut()).is_ready();
                if is_done {
                    break;
                }
                // Lets the runtime wake the operations that have yielded.
                yield_now().await;
            }
            is_done
        };
        let mut gone = 0;
        for id in &old {
            if site.is_whole(*id).await && !site.has_row(*id).await {
                gone += 1;
            }
        }
        halfway += usize::from(gone > 0 && gone < old.len());
        // The next collection completes it.
        let (report, _) = site.collect().await;
        assert!(report.is_good(), "{report:?}");
        for id in old {
            assert!(!site.has_row(id).await && !site.has_blob(id).await);
        }
        assert!(site.has_row(kept).await && site.has_blob(kept).await);
        if is_done {
            break;
        }
        polls += 1;
    }
    assert!(
        halfway > 5,
        "{halfway} of {polls} moments were in the middle"
    );
}
