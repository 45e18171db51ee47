//! The contract of `AdminTokenRecord`, one case for each rule.

use std::sync::Arc;

use artifact_store::{
    AdminTokenDigest, Database, ErrorKind, IdentityStore, OldAdminToken, RecordedAdminToken,
    Timestamp,
};
use futures_util::future::join_all;

use super::cases::{Case, cases};
use crate::support::time;

cases! {
    the_first_admin_token_is_recorded,
    concurrent_servers_record_one_admin_token,
    replaced_admin_tokens_stay_known_and_count_at_once,
    the_old_admin_token_is_recorded_with_its_end,
    a_repeated_replacement_of_the_admin_token_changes_nothing,
    only_the_old_admin_token_comes_back_and_only_in_its_time,
    the_old_admin_token_is_ended_early,
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

/// Replaces the token by the one with this number.
pub(super) async fn replace(
    store: &dyn IdentityStore,
    number: u8,
    old_valid_until: Option<Timestamp>,
) -> artifact_store::Result<()> {
    let new = entry(number);
    store.replace_admin_token(&new, old_valid_until).await
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
            replace(store, number, None).await.unwrap();
        }
        let cached = store.cached_admin_token();
        assert!(cached.is_none_or(|cached| cached == entry(number).valid_tokens()));
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

/// Returns the record of a token that took the place of another one, which is valid until then.
fn after(number: u8, old: u8, valid_until: Timestamp) -> RecordedAdminToken {
    let mut recorded = entry(number);
    recorded.old = Some(OldAdminToken {
        digest: entry(old).digest,
        valid_until,
    });
    recorded
}

async fn the_old_admin_token_is_recorded_with_its_end(database: Database) {
    let store = &*database.identities;
    // Without a record there is no old token.
    replace(store, 1, Some(time(50))).await.unwrap();
    assert_eq!(store.admin_token().await.unwrap(), Some(entry(1)));
    for number in 2..=4 {
        let until = time(100 + i64::from(number));
        replace(store, number, Some(until)).await.unwrap();
        // The token before the old one is not among them.
        let expected = after(number, number - 1, until);
        let cached = store.cached_admin_token();
        assert!(cached.is_none_or(|cached| cached == expected.valid_tokens()));
        assert_eq!(store.admin_token().await.unwrap(), Some(expected.clone()));
        assert_eq!(
            expected.valid_tokens().old_at(time(99)),
            Some(entry(number - 1).digest)
        );
        assert_eq!(expected.valid_tokens().old_at(until), None);
        let replaced = store.was_admin_token_replaced(entry(number - 1).digest);
        assert!(replaced.await.unwrap());
    }
    replace(store, 5, None).await.unwrap();
    assert_eq!(store.admin_token().await.unwrap(), Some(entry(5)));
}

async fn a_repeated_replacement_of_the_admin_token_changes_nothing(database: Database) {
    let store = &*database.identities;
    store.record_admin_token(&entry(1)).await.unwrap();
    replace(store, 2, Some(time(100))).await.unwrap();
    for again in [Some(time(200)), None] {
        replace(store, 2, again).await.unwrap();
        let found = store.admin_token().await.unwrap();
        assert_eq!(found, Some(after(2, 1, time(100))));
    }
}

async fn only_the_old_admin_token_comes_back_and_only_in_its_time(database: Database) {
    let store = &*database.identities;
    store.record_admin_token(&entry(1)).await.unwrap();
    // `entry(1)` was made at the time 1.
    replace(store, 2, Some(time(2))).await.unwrap();
    replace(store, 1, Some(time(4))).await.unwrap();
    assert_eq!(
        store.admin_token().await.unwrap(),
        Some(after(1, 2, time(4)))
    );
    let replaced = async |number| {
        let digest = entry(number).digest;
        store.was_admin_token_replaced(digest).await.unwrap()
    };
    assert_eq!((replaced(1).await, replaced(2).await), (false, true));

    replace(store, 3, Some(time(1))).await.unwrap();
    // The first is over at the time 1, and the second for longer.
    for over in [1, 2] {
        let error = replace(store, over, Some(time(9))).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(
        store.admin_token().await.unwrap(),
        Some(after(3, 1, time(1)))
    );
}

async fn the_old_admin_token_is_ended_early(database: Database) {
    let store = &*database.identities;
    // Also without a record, and again, as after a lost answer.
    store.end_old_admin_token().await.unwrap();
    assert_eq!(store.admin_token().await.unwrap(), None);
    store.record_admin_token(&entry(1)).await.unwrap();
    replace(store, 2, Some(time(100))).await.unwrap();
    for _ in 0..2 {
        store.end_old_admin_token().await.unwrap();
        let cached = store.cached_admin_token();
        assert!(cached.is_none_or(|cached| cached.old.is_none()));
        assert_eq!(store.admin_token().await.unwrap(), Some(entry(2)));
    }
    let replaced = store.was_admin_token_replaced(entry(1).digest).await;
    assert!(replaced.unwrap());
}

async fn records_of_admin_tokens_are_bounded(database: Database) {
    let long = "\u{1f980}\0".repeat(RecordedAdminToken::MAX_KEPT_IN);
    let entry = RecordedAdminToken::new(AdminTokenDigest::from_bytes([7; 32]), long, time(1));
    assert_eq!(entry.kept_in.len(), RecordedAdminToken::MAX_KEPT_IN);
    assert!(!entry.kept_in.contains('\0'));
    let recorded = database.identities.record_admin_token(&entry).await;
    assert_eq!(recorded.unwrap(), entry);
}
