//! The contract of `AdminTokenRecord`, one case for each rule.

use std::sync::Arc;

use artifact_store::{AdminTokenDigest, Database, RecordedAdminToken};
use futures_util::future::join_all;

use super::cases::{Case, cases};
use crate::support::time;

cases! {
    the_first_admin_token_is_recorded,
    concurrent_servers_record_one_admin_token,
    replaced_admin_tokens_stay_known_and_count_at_once,
    records_of_admin_tokens_are_bounded,
}

pub(super) fn entry(number: u8) -> RecordedAdminToken {
    let kept_in = format!("host-{number}: /srv/artifacts/admin-token");
    RecordedAdminToken::new(
        AdminTokenDigest::from_bytes([number; 32]),
        kept_in,
        time(number.into()),
    )
}

async fn the_first_admin_token_is_recorded(database: Database) {
    let store = &*database.identities;
    assert_eq!(store.admin_token().await.unwrap(), None);
    assert_eq!(store.cached_admin_token(), None);
    for number in [1, 2, 1] {
        let recorded = store.record_admin_token(&entry(number)).await.unwrap();
        assert_eq!(recorded, entry(1));
    }
    assert_eq!(store.admin_token().await.unwrap(), Some(entry(1)));
    let replaced = store.was_admin_token_replaced(entry(1).digest).await;
    assert!(!replaced.unwrap());
    assert!(
        !format!("{:?}", entry(1)).contains("1, 1"),
        "{:?}",
        entry(1)
    );
}

async fn concurrent_servers_record_one_admin_token(database: Database) {
    let all = (1..=16).map(|number| {
        let store = Arc::clone(&database.identities);
        tokio::spawn(async move { store.record_admin_token(&entry(number)).await.unwrap() })
    });
    let all: Vec<_> = join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(all.iter().all(|recorded| *recorded == all[0]), "{all:?}");
    let found = database.identities.admin_token().await.unwrap();
    assert_eq!(found.as_ref(), Some(&all[0]));
}

async fn replaced_admin_tokens_stay_known_and_count_at_once(database: Database) {
    let store = &*database.identities;
    for number in 1..=4 {
        // Also without a record, and again, as after a lost answer.
        for _ in 0..2 {
            store.replace_admin_token(&entry(number)).await.unwrap();
        }
        let cached = store.cached_admin_token();
        assert!(cached.is_none_or(|cached| cached == entry(number).digest));
        assert_eq!(store.admin_token().await.unwrap(), Some(entry(number)));
        for other in 1..=5 {
            let digest = entry(other).digest;
            let replaced = store.was_admin_token_replaced(digest).await.unwrap();
            assert_eq!(replaced, other < number, "{other} of {number}");
        }
    }
    let recorded = store.record_admin_token(&entry(5)).await.unwrap();
    assert_eq!(recorded, entry(4));
}

async fn records_of_admin_tokens_are_bounded(database: Database) {
    let long = "\u{1f980}\0".repeat(RecordedAdminToken::MAX_KEPT_IN);
    let entry = RecordedAdminToken::new(AdminTokenDigest::from_bytes([7; 32]), long, time(1));
    assert_eq!(entry.kept_in.len(), RecordedAdminToken::MAX_KEPT_IN);
    assert!(!entry.kept_in.contains('\0'));
    let recorded = database.identities.record_admin_token(&entry).await;
    assert_eq!(recorded.unwrap(), entry);
}
