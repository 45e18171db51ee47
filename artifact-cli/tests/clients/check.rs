//! Compares a server with what the clients know.

use std::collections::BTreeSet;
use std::sync::Mutex;

use artifact_client::{Client, ErrorKind, ListFilter};
use futures_util::{StreamExt as _, stream};

use super::Ledger;
use super::worker::fetch;

/// The number of artifacts that are checked at the same time.
const AT_ONCE: usize = 16;

/// Checks every artifact at a server while no client works: each acknowledged one has its bytes, and each deleted one is 404.
/// No other artifacts are there, except for deposits whose response was lost.
pub(crate) async fn check_whole(admin: &Client, ledger: &Mutex<Ledger>) {
    let (kept, deleted, lost_responses) = {
        let ledger = ledger.lock().unwrap();
        let lost = ledger.lost_responses;
        (ledger.kept.clone(), ledger.deleted.clone(), lost)
    };
    let checks = stream::iter(&kept).map(async |(uri, kept)| {
        for from in [0, kept.size / 2] {
            let fetched = fetch(admin, uri, kept, from).await;
            fetched.unwrap_or_else(|error| panic!("{uri}: {error}"));
        }
    });
    checks.buffer_unordered(AT_ONCE).collect::<()>().await;
    // There can be thousands of them, so each is asked for in one of three ways.
    let checks = stream::iter(deleted.iter().enumerate()).map(async |(number, uri)| {
        let found = match number % 3 {
            0 => admin.fetch(uri).await.map(drop),
            1 => admin.stat(uri).await.map(drop),
            _ => admin.info(uri).await.map(drop),
        };
        let kind = found.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::NotFound), "{uri} was deleted");
    });
    checks.buffer_unordered(AT_ONCE).collect::<()>().await;

    let listed = listed(admin).await;
    let unlisted: Vec<_> = kept.keys().filter(|uri| !listed.contains(*uri)).collect();
    assert!(unlisted.is_empty(), "not in the list: {unlisted:?}");
    let others = listed.iter().filter(|uri| !kept.contains_key(*uri));
    let others: Vec<_> = others.collect();
    assert!(
        others.len() as u64 <= lost_responses,
        "{lost_responses} responses were lost, but {others:?} are listed"
    );
    assert!(others.iter().all(|uri| !deleted.contains(*uri)));
    let usage = admin.usage().await.unwrap();
    assert_eq!(usage.artifacts, listed.len() as u64);
}

/// Returns the URIs of all artifacts.
async fn listed(admin: &Client) -> BTreeSet<String> {
    let mut uris = BTreeSet::new();
    let (filter, mut after) = (ListFilter::default(), None);
    loop {
        let page = admin.list(&filter, after.as_deref()).await.unwrap();
        assert_eq!(page.unreadable, 0);
        for artifact in page.artifacts {
            assert!(uris.insert(artifact.uri), "listed twice");
        }
        after = page.next;
        if after.is_none() {
            return uris;
        }
    }
}
