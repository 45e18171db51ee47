//! One case for each rule of the grants of collections. Each gets an empty database.

use artifact_store::{
    ArtifactId, CollectionId, Database, ErrorKind, GrantId, GrantSubject, WorkerId,
};

use super::site::{
    assert_kind, cases, collection, collection_grant, future, grant, group, group_in, host,
    may_list, may_read, past, put, register, register_in, share_collection, subject,
};
use crate::support::{experiment, other_experiment, row, time};

cases! {
    a_grant_of_a_collection_counts_for_all_its_files,
    a_grant_of_a_collection_counts_for_the_members_of_a_group,
    grants_of_collections_that_have_ended_do_not_count,
    a_grant_needs_its_collection_and_its_grantee,
    grants_go_with_their_collection,
    grants_of_collections_go_with_their_grantee,
    grants_of_an_artifact_and_of_a_collection_are_told_apart,
    a_second_grant_of_a_collection_takes_the_place_of_the_first,
}

async fn a_grant_of_a_collection_counts_for_all_its_files(database: Database) {
    host(&database).await;
    let [reader, other] = [register(&database).await, register(&database).await];
    let [shared, unshared] = [collection(&database).await, collection(&database).await];
    put(&database, shared, "before", 11).await;
    put(&database, unshared, "before", 21).await;
    assert!(!may_read(&database, 11, reader).await);
    share_collection(&database, shared, reader).await;
    put(&database, shared, "a/b/after", 12).await;
    put(&database, unshared, "after", 22).await;
    for (number, expected) in [(11, true), (12, true), (21, false), (22, false), (1, false)] {
        assert_eq!(may_read(&database, number, reader).await, expected);
        assert!(!may_read(&database, number, other).await);
    }
    assert!(may_list(&database, shared, reader).await);
    assert!(!may_list(&database, unshared, reader).await);
    assert!(!may_list(&database, shared, other).await);
    let catalog = &database.collections;
    catalog.seal_collection(shared, time(9)).await.unwrap();
    assert!(may_read(&database, 11, reader).await);
    assert!(may_list(&database, shared, reader).await);
    // As a worker of another experiment.
    for subject in [subject(11), GrantSubject::Collection(shared)] {
        let home = other_experiment();
        let granted = database.sharing.is_granted(&home, &subject, reader);
        assert!(!granted.await.unwrap());
    }
}

async fn a_grant_of_a_collection_counts_for_the_members_of_a_group(database: Database) {
    host(&database).await;
    let [direct, nested, late] = [
        register(&database).await,
        register(&database).await,
        register(&database).await,
    ];
    let inner = group(&database, &[nested.into()]).await;
    let outer = group(&database, &[direct.into(), inner.into()]).await;
    let id = collection(&database).await;
    put(&database, id, "a", 11).await;
    share_collection(&database, id, outer).await;
    for (worker, expected) in [(direct, true), (nested, true), (late, false)] {
        assert_eq!(may_read(&database, 11, worker).await, expected);
        assert_eq!(may_list(&database, id, worker).await, expected);
    }
    let (identities, home) = (&database.identities, experiment());
    let added = identities.add_member(&home, inner, late.into()).await;
    added.unwrap();
    let removed = identities.remove_member(&home, outer, direct.into()).await;
    removed.unwrap();
    for (worker, expected) in [(direct, false), (late, true)] {
        assert_eq!(may_read(&database, 11, worker).await, expected);
        assert_eq!(may_list(&database, id, worker).await, expected);
    }
}

async fn grants_of_collections_that_have_ended_do_not_count(database: Database) {
    host(&database).await;
    let reader = register(&database).await;
    let id = collection(&database).await;
    put(&database, id, "a", 11).await;
    let (sharing, subject) = (&database.sharing, GrantSubject::Collection(id));
    let current = collection_grant(id, reader).with_expires_at(future());
    sharing.insert_grant(&current).await.unwrap();
    let listed = sharing.grants(&subject, None, 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&current));
    assert!(may_read(&database, 11, reader).await);
    sharing.delete_grant(&subject, current.id).await.unwrap();
    assert!(!may_read(&database, 11, reader).await);
    assert!(!may_list(&database, id, reader).await);
    let again = sharing.delete_grant(&subject, current.id).await;
    assert_kind(again, ErrorKind::NotFound);

    let expired = collection_grant(id, reader).with_expires_at(past());
    sharing.insert_grant(&expired).await.unwrap();
    assert!(!may_read(&database, 11, reader).await);
    assert!(!may_list(&database, id, reader).await);
    assert_eq!(sharing.grants(&subject, None, 10).await.unwrap(), []);
    assert_eq!(sharing.forget_shares(10).await.unwrap(), 1);
    let deleted = sharing.delete_grant(&subject, expired.id).await;
    assert_kind(deleted, ErrorKind::NotFound);
}

async fn a_grant_needs_its_collection_and_its_grantee(database: Database) {
    host(&database).await;
    let reader = register(&database).await;
    let foreign = register_in(&database, other_experiment()).await;
    let foreign_group = group_in(&database, other_experiment(), &[reader.into()]).await;
    let id = collection(&database).await;
    let mut of_another = collection_grant(id, foreign);
    of_another.experiment = other_experiment();
    for refused in [
        collection_grant(CollectionId::mint(), reader),
        of_another,
        collection_grant(id, WorkerId::mint()),
        collection_grant(id, foreign),
        collection_grant(id, foreign_group),
    ] {
        let outcome = database.sharing.insert_grant(&refused).await;
        assert_kind(outcome, ErrorKind::NotFound);
    }
    let subject = GrantSubject::Collection(id);
    let listed = database.sharing.grants(&subject, None, 10).await;
    assert_eq!(listed.unwrap(), []);
}

async fn grants_go_with_their_collection(database: Database) {
    host(&database).await;
    let reader = register(&database).await;
    let [gone, kept] = [collection(&database).await, collection(&database).await];
    for id in [gone, kept] {
        share_collection(&database, id, reader).await;
    }
    put(&database, gone, "a", 11).await;
    let catalog = &database.collections;
    catalog.begin_deletion(gone, time(9)).await.unwrap();
    // Until the deletion is complete, what is left can be read.
    assert!(may_read(&database, 11, reader).await);
    database.inventory.remove(row(11).id).await.unwrap();
    catalog.end_deletion(gone).await.unwrap();
    assert!(!may_list(&database, gone, reader).await);
    assert!(may_list(&database, kept, reader).await);
    let subject = GrantSubject::Collection(gone);
    let listed = database.sharing.grants(&subject, None, 10).await;
    assert_eq!(listed.unwrap(), []);
    let late = collection_grant(gone, reader);
    let late = database.sharing.insert_grant(&late).await;
    assert_kind(late, ErrorKind::NotFound);
}

async fn grants_of_collections_go_with_their_grantee(database: Database) {
    host(&database).await;
    let [one, other] = [register(&database).await, register(&database).await];
    let above = group(&database, &[other.into()]).await;
    let id = collection(&database).await;
    put(&database, id, "a", 11).await;
    share_collection(&database, id, one).await;
    share_collection(&database, id, above).await;
    let identities = &database.identities;
    identities.delete_worker(&experiment(), one).await.unwrap();
    assert!(!may_read(&database, 11, one).await);
    assert!(may_read(&database, 11, other).await);
    identities.delete_group(&experiment(), above).await.unwrap();
    assert!(!may_read(&database, 11, other).await);
    let subject = GrantSubject::Collection(id);
    let listed = database.sharing.grants(&subject, None, 10).await;
    assert_eq!(listed.unwrap(), []);
}

/// An id of an artifact and one of a collection may have the same bytes.
async fn grants_of_an_artifact_and_of_a_collection_are_told_apart(database: Database) {
    host(&database).await;
    let [reader, other] = [register(&database).await, register(&database).await];
    let id = collection(&database).await;
    let twin = ArtifactId::from_bytes(*id.as_bytes());
    let mut new = row(9);
    new.id = twin;
    database.catalog.insert(&new).await.unwrap();
    let sharing = &database.sharing;
    let mut of_artifact = grant(1, reader);
    of_artifact.subject = GrantSubject::Artifact(twin);
    sharing.insert_grant(&of_artifact).await.unwrap();
    let of_collection = share_collection(&database, id, other).await;
    let (artifact, collection) = (of_artifact.subject, GrantSubject::Collection(id));
    for (worker, subject, expected) in [
        (reader, artifact, true),
        (reader, collection, false),
        (other, artifact, false),
        (other, collection, true),
    ] {
        let granted = sharing.is_granted(&experiment(), &subject, worker).await;
        assert_eq!(granted.unwrap(), expected, "{subject:?}");
    }
    let listed = async |subject| {
        let listed = sharing.grants(&subject, None, 10).await.unwrap();
        listed
            .iter()
            .map(|grant| grant.id)
            .collect::<Vec<GrantId>>()
    };
    assert_eq!(listed(artifact).await, [of_artifact.id]);
    assert_eq!(listed(collection).await, [of_collection]);
    let crossed = sharing.delete_grant(&collection, of_artifact.id).await;
    assert_kind(crossed, ErrorKind::NotFound);
    database.inventory.remove(twin).await.unwrap();
    assert_eq!(listed(artifact).await, []);
    assert_eq!(listed(collection).await, [of_collection]);
}

async fn a_second_grant_of_a_collection_takes_the_place_of_the_first(database: Database) {
    host(&database).await;
    let reader = register(&database).await;
    let [one, other] = [collection(&database).await, collection(&database).await];
    share_collection(&database, one, reader).await;
    let elsewhere = share_collection(&database, other, reader).await;
    let second = collection_grant(one, reader).with_expires_at(future());
    database.sharing.insert_grant(&second).await.unwrap();
    let subject = GrantSubject::Collection(one);
    let listed = database.sharing.grants(&subject, None, 10).await.unwrap();
    assert_eq!(listed, [second]);
    let subject = GrantSubject::Collection(other);
    let listed = database.sharing.grants(&subject, None, 10).await.unwrap();
    assert_eq!(listed[0].id, elsewhere);
}
