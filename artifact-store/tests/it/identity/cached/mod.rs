//! Cached credentials, which must be current in every process on the database.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_store::{
    Administrator, AdministratorId, Catalog, CredentialHash, Experiment, Group, GroupId,
    IdentityStore, IdentityStoreExt, MemberId, MemoryDatabase, OldAdminToken, PrincipalId,
    StoredCredential, ValidAdminTokens, Worker, WorkerId,
};

use crate::support::{experiment, time};

/// A hash with this number, which [`number`] returns.
fn hash(number: usize) -> CredentialHash {
    format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${number}")
        .parse()
        .unwrap()
}

fn number(credential: &StoredCredential) -> usize {
    let (_, number) = credential.hash.as_phc().rsplit_once('$').unwrap();
    number.parse().unwrap()
}

async fn host(catalog: &impl Catalog) {
    let founded = Experiment::new(experiment(), time(1));
    catalog.create_experiment(&founded).await.unwrap();
}

/// Registers a worker with the hash 0.
async fn register(identities: &impl IdentityStore) -> WorkerId {
    let worker = Worker::new(WorkerId::mint(), experiment(), time(5), PrincipalId::Admin);
    let hash = hash(0);
    identities.register_worker(&worker, &hash).await.unwrap();
    worker.id
}

fn group(members: impl IntoIterator<Item = MemberId>) -> Group {
    Group::new(GroupId::mint(), experiment(), time(5), PrincipalId::Admin).with_members(members)
}

async fn admins(identities: &impl IdentityStore) -> GroupId {
    let name = "admins".parse().unwrap();
    let found = identities.groups(&experiment(), Some(&name)).await;
    found.unwrap()[0].id
}

/// Reads a credential until it is in the cache: a lease may end in between.
async fn warm(identities: &impl IdentityStore, id: WorkerId) -> StoredCredential {
    for _ in 0..100 {
        let read = identities.credential(id).await.unwrap().unwrap();
        if let Some(cached) = identities.cached_credential(id) {
            assert_eq!(cached, read);
            return cached;
        }
    }
    panic!("the credential is never cached");
}

/// Checks a process after a change was acknowledged: its cache has the new state or none. Leaves the new
/// state in the cache.
async fn assert_current(
    identities: &impl IdentityStore,
    id: WorkerId,
    expected: (usize, bool),
    what: &str,
) {
    let state = |stored: &StoredCredential| (number(stored), stored.in_admins);
    if let Some(cached) = identities.cached_credential(id) {
        assert_eq!(state(&cached), expected, "{what}, cached");
    }
    assert_eq!(
        state(&warm(identities, id).await),
        expected,
        "{what}, read again"
    );
}

/// One process makes every kind of change, and the other one has the former state in its cache.
async fn changes_count_at_once(one: &impl IdentityStore, two: &impl IdentityStore) {
    let experiment = experiment();
    let id = register(one).await;
    let admins = admins(one).await;
    assert_current(two, id, (0, false), "registered").await;
    one.replace_credential(&experiment, id, &hash(1))
        .await
        .unwrap();
    assert_current(two, id, (1, false), "reissued").await;
    one.add_member(&experiment, admins, id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, true), "added").await;
    one.remove_member(&experiment, admins, id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, false), "removed").await;

    let inner = group([id.into()]);
    one.create_group(&inner).await.unwrap();
    assert_current(two, id, (1, false), "in a group").await;
    one.add_member(&experiment, admins, inner.id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, true), "in a nested group").await;
    one.remove_member(&experiment, inner.id, id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, false), "removed from the nested group").await;
    one.add_member(&experiment, inner.id, id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, true), "added to the nested group").await;
    one.delete_group(&experiment, inner.id).await.unwrap();
    assert_current(two, id, (1, false), "the nested group was deleted").await;

    // A group whose id was a member before the group existed.
    let late = group([id.into()]);
    one.add_member(&experiment, admins, late.id.into())
        .await
        .unwrap();
    assert_current(two, id, (1, false), "a member that does not exist").await;
    one.create_group(&late).await.unwrap();
    assert_current(two, id, (1, true), "which was created").await;

    one.replace_credential(&experiment, id, &CredentialHash::revoked())
        .await
        .unwrap();
    if let Some(cached) = two.cached_credential(id) {
        assert_eq!(cached.hash, CredentialHash::revoked(), "revoked, cached");
    }
    assert_eq!(warm(two, id).await.hash, CredentialHash::revoked());
    one.delete_worker(&experiment, id).await.unwrap();
    assert_eq!(two.cached_credential(id), None, "deleted");
    assert_eq!(two.credential(id).await.unwrap(), None, "deleted");
}

/// One process replaces the credential of an administrator, revokes and deletes it, and the other one has the former state in
/// its cache.
async fn changes_of_administrators_count_at_once(
    one: &impl IdentityStore,
    two: &impl IdentityStore,
) {
    let (id, name) = (AdministratorId::mint(), "Alice".parse().unwrap());
    let by = PrincipalId::Admin;
    let administrator = Administrator::new(id, name, time(5), by, hash(0));
    one.register_administrator(&administrator).await.unwrap();
    // A lease may end in between.
    let warm = async || {
        for _ in 0..100 {
            let read = two.administrator_credential(id).await.unwrap().unwrap();
            if let Some(cached) = two.cached_administrator_credential(id) {
                assert_eq!(cached, read);
                return cached;
            }
        }
        panic!("the credential is never cached");
    };
    assert_eq!(warm().await, hash(0));
    let until = hash(1).with_expires_at(time(77));
    for new in [hash(1), until, CredentialHash::revoked(), hash(2)] {
        one.replace_administrator_credential(id, &new)
            .await
            .unwrap();
        let cached = two.cached_administrator_credential(id);
        assert!(cached.is_none_or(|cached| cached == new), "{new:?}, cached");
        assert_eq!(warm().await, new);
    }
    one.delete_administrator(id).await.unwrap();
    assert_eq!(two.cached_administrator_credential(id), None, "deleted");
    assert_eq!(two.administrator_credential(id).await.unwrap(), None);
}

/// One process replaces the admin token, and the other one has the former one in its cache.
async fn changes_of_the_admin_token_count_at_once(
    one: &impl IdentityStore,
    two: &impl IdentityStore,
) {
    use super::admin_token::{entry, replace};
    let sees = async |change: &str, expected: ValidAdminTokens| {
        let cached = two.cached_admin_token();
        assert!(cached.is_none_or(|cached| cached == expected), "{change}");
        // A lease may end in between.
        let mut tries = 0;
        while two.cached_admin_token() != Some(expected) {
            let read = two.admin_token().await.unwrap().unwrap();
            assert_eq!(read.valid_tokens(), expected, "{change}");
            tries += 1;
            assert!(tries < 100, "the digest is never cached");
        }
    };
    for number in 1..=3 {
        let until = time(100);
        replace(one, number, Some(until)).await.unwrap();
        let current = entry(number).digest;
        let old = (number > 1).then(|| OldAdminToken {
            digest: entry(number - 1).digest,
            valid_until: until,
        });
        sees("replaced", ValidAdminTokens { current, old }).await;
    }
    one.end_old_admin_token().await.unwrap();
    sees("ended", entry(3).valid_tokens()).await;
}

/// What a version without old tokens runs when it replaces the admin token. The digest has 32 times this byte, in hexadecimal.
fn replace_admin_token_as_older_versions(schema: &str, digest: &str) -> String {
    format!(
        "INSERT INTO {schema}admin_token (only_row, digest, kept_in, created_at) VALUES (true, {digest}, 'older', 7) \
         ON CONFLICT (only_row) DO UPDATE \
             SET digest = excluded.digest, kept_in = excluded.kept_in, created_at = excluded.created_at"
    )
}

/// A version without old tokens replaces the admin token, by `run`, with one of 32 bytes 9.
async fn older_versions_end_all_admin_tokens_but_theirs(
    store: &impl IdentityStore,
    run: impl FnOnce(),
) {
    use super::admin_token::{entry, replace};
    for number in 1..=2 {
        replace(store, number, Some(time(100))).await.unwrap();
    }
    run();
    let found = store.admin_token().await.unwrap().unwrap();
    assert_eq!(found.valid_tokens(), entry(9).valid_tokens());
    for replaced in [1, 2] {
        let digest = entry(replaced).digest;
        assert!(store.was_admin_token_replaced(digest).await.unwrap());
    }
}

/// One process replaces a credential again and again. No reader of another one gets a credential from
/// its cache that was replaced before it looked. `trouble` runs after each change.
async fn no_reader_is_behind(
    one: Arc<impl IdentityStore>,
    two: Arc<impl IdentityStore>,
    changes: usize,
    trouble: impl Fn(),
) {
    let id = register(&*one).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers = [(); 2].map(|()| {
        let (two, acknowledged) = (Arc::clone(&two), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            loop {
                let least = acknowledged.load(Ordering::SeqCst);
                match two.cached_credential(id) {
                    Some(cached) => assert!(number(&cached) >= least, "{cached:?} after {least}"),
                    // Connections are lost on purpose.
                    None => drop(two.credential(id).await),
                }
                if least == changes {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
    });
    for n in 1..=changes {
        // A commit that got no reply may be done or not.
        while one
            .replace_credential(&experiment(), id, &hash(n))
            .await
            .is_err()
        {}
        acknowledged.store(n, Ordering::SeqCst);
        trouble();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(number(&warm(&*two, id).await), changes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_in_memory_count_at_once() {
    let database = Arc::new(MemoryDatabase::new());
    host(&*database).await;
    changes_count_at_once(&*database, &*database).await;
    changes_of_administrators_count_at_once(&*database, &*database).await;
    changes_of_the_admin_token_count_at_once(&*database, &*database).await;
    no_reader_is_behind(Arc::clone(&database), database, 1_000, || ()).await;
}

#[tokio::test]
async fn unknown_workers_are_never_cached() {
    let database = MemoryDatabase::new();
    host(&database).await;
    assert_eq!(database.cached_credential(WorkerId::mint()), None);
}
