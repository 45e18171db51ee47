//! One case for each rule of links. Each gets an empty database.

use artifact_store::{
    Administrator, AdministratorId, CredentialHash, Database, ErrorKind, LinkId, LinkSecret,
    PrincipalId, Removal, Timestamp, WorkerId,
};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use super::site::{
    assert_kind, cases, credential, find, host, limited, link, link_by, past, publish, register,
    register_in,
};
use crate::support::{EXTERNAL, experiment, other_experiment, row};

cases! {
    a_link_is_found_by_its_secret_alone,
    downloads_are_counted_up_to_their_limit,
    concurrent_downloads_are_counted_exactly,
    expired_links_are_not_found,
    revoked_links_are_not_found,
    a_link_needs_its_artifact_and_its_maker,
    links_go_with_their_artifact,
    links_go_with_their_maker,
    links_go_with_the_administrator_that_made_them,
    links_of_who_may_not_share_any_more_do_not_work,
    links_are_read_as_they_were_written_in_pages,
    an_artifact_has_at_most_a_thousand_links,
    ended_links_are_forgotten_in_steps,
}

async fn a_link_is_found_by_its_secret_alone(database: Database) {
    host(&database).await;
    let [one, other] = [link(1), limited(link(2), 7)];
    let secrets = [
        publish(&database, &one).await,
        publish(&database, &other).await,
    ];
    assert_eq!(find(&database, &secrets[0]).await, Some(one));
    assert_eq!(find(&database, &secrets[1]).await, Some(other));
    assert_eq!(find(&database, &LinkSecret::mint()).await, None);
}

async fn downloads_are_counted_up_to_their_limit(database: Database) {
    host(&database).await;
    let (twice, unlimited) = (limited(link(1), 2), link(1));
    let secret = publish(&database, &twice).await;
    let other = publish(&database, &unlimited).await;
    let sharing = &database.sharing;
    for used in [1, 2] {
        sharing.use_link(twice.artifact, twice.id).await.unwrap();
        let left = find(&database, &secret).await.map(|link| link.downloads);
        assert_eq!(left, (used < 2).then_some(used));
    }
    let third = sharing.use_link(twice.artifact, twice.id).await;
    assert_kind(third, ErrorKind::NotFound);
    for _ in 0..3 {
        let used = sharing.use_link(unlimited.artifact, unlimited.id).await;
        used.unwrap();
    }
    let found = find(&database, &other).await;
    assert_eq!(found, Some(unlimited.clone()), "nothing is counted");
    let listed = sharing.links(row(1).id, None, 10).await.unwrap();
    assert_eq!(listed, [unlimited], "one that is used up is not listed");
    let deleted = sharing.delete_link(twice.artifact, twice.id).await;
    assert_kind(deleted, ErrorKind::NotFound);
}

async fn concurrent_downloads_are_counted_exactly(database: Database) {
    host(&database).await;
    let five = limited(link(1), 5);
    publish(&database, &five).await;
    let sharing = &database.sharing;
    let downloads = (0..20).map(|_| sharing.use_link(five.artifact, five.id));
    let outcomes = join_all(downloads).await;
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(succeeded, 5);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_kind(outcome, ErrorKind::NotFound);
    }
}

async fn expired_links_are_not_found(database: Database) {
    host(&database).await;
    let mut expired = link(1);
    expired.expires_at = past();
    let secret = publish(&database, &expired).await;
    assert_eq!(find(&database, &secret).await, None);
    let sharing = &database.sharing;
    assert_eq!(sharing.links(row(1).id, None, 10).await.unwrap(), []);
    for outcome in [
        sharing.use_link(expired.artifact, expired.id).await,
        sharing.delete_link(expired.artifact, expired.id).await,
    ] {
        assert_kind(outcome, ErrorKind::NotFound);
    }
}

async fn revoked_links_are_not_found(database: Database) {
    host(&database).await;
    let [one, other] = [link(1), link(1)];
    let secrets = [
        publish(&database, &one).await,
        publish(&database, &other).await,
    ];
    let sharing = &database.sharing;
    let of_another = sharing.delete_link(row(2).id, one.id).await;
    assert_kind(of_another, ErrorKind::NotFound);
    sharing.delete_link(one.artifact, one.id).await.unwrap();
    assert_eq!(find(&database, &secrets[0]).await, None);
    assert_eq!(find(&database, &secrets[1]).await, Some(other));
    for id in [one.id, LinkId::mint()] {
        let again = sharing.delete_link(one.artifact, id).await;
        assert_kind(again, ErrorKind::NotFound);
    }
    let used = sharing.use_link(one.artifact, one.id).await;
    assert_kind(used, ErrorKind::NotFound);
}

async fn a_link_needs_its_artifact_and_its_maker(database: Database) {
    host(&database).await;
    let foreign = register_in(&database, other_experiment()).await;
    let revoked = register(&database).await;
    let identities = &database.identities;
    let revocation = identities
        .replace_credential(&experiment(), revoked, &CredentialHash::revoked())
        .await;
    revocation.unwrap();
    let removal = database.inventory.remove(row(3).id).await.unwrap();
    assert_eq!(removal, Removal::Removed);
    let mut of_another = link(1);
    of_another.experiment = other_experiment();
    for refused in [
        link(9),
        link(3),
        of_another,
        link_by(1, WorkerId::mint().into()),
        link_by(1, foreign.into()),
        link_by(1, revoked.into()),
    ] {
        let digest = LinkSecret::mint().digest();
        let outcome = database.sharing.insert_link(&refused, &digest).await;
        assert_kind(outcome, ErrorKind::NotFound);
    }
    let by_other = link_by(1, EXTERNAL[1].parse().unwrap());
    let secret = publish(&database, &by_other).await;
    assert_eq!(find(&database, &secret).await, Some(by_other));
}

async fn links_go_with_their_artifact(database: Database) {
    host(&database).await;
    let secrets = [
        publish(&database, &link(1)).await,
        publish(&database, &link(2)).await,
        publish(&database, &link(3)).await,
    ];
    database.inventory.remove(row(1).id).await.unwrap();
    database.catalog.delete(row(2).id).await.unwrap();
    let mut found = Vec::new();
    for secret in &secrets {
        found.push(find(&database, secret).await.is_some());
    }
    assert_eq!(found, [false, false, true]);
    assert_eq!(database.sharing.forget_shares(10).await.unwrap(), 0);
}

async fn links_go_with_their_maker(database: Database) {
    host(&database).await;
    let [deleted, revoked, reissued] = [
        register(&database).await,
        register(&database).await,
        register(&database).await,
    ];
    let mut secrets = Vec::new();
    for (number, worker) in (4..).zip([deleted, revoked, reissued]) {
        let mut row = row(number);
        row.created_by = worker.into();
        database.catalog.insert(&row).await.unwrap();
        secrets.push(publish(&database, &link_by(number, worker.into())).await);
    }
    let identities = &database.identities;
    identities
        .delete_worker(&experiment(), deleted)
        .await
        .unwrap();
    let hashes = [
        (revoked, CredentialHash::revoked()),
        // A new token does not bring them back.
        (revoked, credential()),
        (reissued, credential()),
    ];
    for (worker, hash) in hashes {
        let replaced = identities
            .replace_credential(&experiment(), worker, &hash)
            .await;
        replaced.unwrap();
    }
    let mut found = Vec::new();
    for secret in &secrets {
        found.push(find(&database, secret).await.is_some());
    }
    assert_eq!(found, [false, false, true]);
}

async fn links_go_with_the_administrator_that_made_them(database: Database) {
    host(&database).await;
    let administrators = &database.identities;
    let [deleted, revoked, reissued, unknown] = [(); 4].map(|()| AdministratorId::mint());
    let mut secrets = Vec::new();
    for maker in [deleted, revoked, reissued] {
        let name = "ada".parse().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let ada = Administrator::new(maker, name, now, PrincipalId::Admin, credential());
        administrators.register_administrator(&ada).await.unwrap();
        secrets.push(publish(&database, &link_by(1, maker.into())).await);
    }
    administrators.delete_administrator(deleted).await.unwrap();
    for (maker, hash) in [
        (revoked, CredentialHash::revoked()),
        (reissued, credential()),
    ] {
        let replaced = administrators.replace_administrator_credential(maker, &hash);
        replaced.await.unwrap();
    }
    let mut found = Vec::new();
    for secret in &secrets {
        found.push(find(&database, secret).await.is_some());
    }
    assert_eq!(found, [false, false, true]);
    for maker in [deleted, revoked, unknown] {
        let digest = LinkSecret::mint().digest();
        let link = link_by(1, maker.into());
        let outcome = database.sharing.insert_link(&link, &digest).await;
        assert_kind(outcome, ErrorKind::NotFound);
    }
}

async fn links_of_who_may_not_share_any_more_do_not_work(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let identities = &database.identities;
    let groups = identities
        .group_page(&experiment(), None, &artifact_store::ListPosition::START)
        .await
        .unwrap();
    let is_admins = |group: &&artifact_store::Group| {
        group.name.as_ref().map(artifact_store::DisplayName::as_str) == Some("admins")
    };
    let admins = groups.records.iter().find(is_admins).unwrap().id;
    let inner = super::site::group(&database, &[worker.into()]).await;
    let secret = publish(&database, &link_by(1, worker.into())).await;
    assert_eq!(find(&database, &secret).await, None, "of a stranger");
    let added = identities
        .add_member(&experiment(), admins, inner.into())
        .await;
    added.unwrap();
    assert!(find(&database, &secret).await.is_some());
    let removed = identities
        .remove_member(&experiment(), inner, worker.into())
        .await;
    removed.unwrap();
    assert_eq!(find(&database, &secret).await, None);
}

async fn links_are_read_as_they_were_written_in_pages(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let mut written = Vec::new();
    let externals = EXTERNAL[2..5].iter().map(|id| id.parse().unwrap());
    let makers = [PrincipalId::Admin, worker.into()];
    for (number, maker) in (0..).zip(makers.into_iter().chain(externals)) {
        let link = limited(link_by(1, maker), number);
        publish(&database, &link).await;
        written.push(link);
    }
    written.sort_by_key(|link| link.id);
    let sharing = &database.sharing;
    let first = sharing.links(row(1).id, None, 3).await.unwrap();
    assert_eq!(first, written[..3]);
    let after = Some(first[2].id);
    let second = sharing.links(row(1).id, after, 3).await.unwrap();
    assert_eq!(second, written[3..]);
}

async fn an_artifact_has_at_most_a_thousand_links(database: Database) {
    host(&database).await;
    let database = &database;
    let mut expired = link(1);
    expired.expires_at = past();
    publish(database, &expired).await;
    stream::iter(0..1_000)
        .for_each_concurrent(8, async |_| {
            publish(database, &link(1)).await;
        })
        .await;
    let digest = LinkSecret::mint().digest();
    let refused = database.sharing.insert_link(&link(1), &digest).await;
    assert_kind(refused, ErrorKind::TooLarge);
    publish(database, &link(2)).await;
    let listed = database.sharing.links(row(1).id, None, 5_000).await;
    assert_eq!(listed.unwrap().len(), 1_000);
}

async fn ended_links_are_forgotten_in_steps(database: Database) {
    host(&database).await;
    let kept = link(1);
    let secret = publish(&database, &kept).await;
    let used_up = link(1).with_downloads(std::num::NonZeroU32::new(3), 3);
    publish(&database, &used_up).await;
    for number in [4, 5, 6] {
        database.catalog.insert(&row(number)).await.unwrap();
        let mut expired = link(number);
        expired.expires_at = past();
        publish(&database, &expired).await;
    }
    let sharing = &database.sharing;
    let mut forgotten = 0;
    for _ in 0..4 {
        forgotten += sharing.forget_shares(1).await.unwrap();
    }
    assert_eq!(forgotten, 4);
    assert_eq!(sharing.forget_shares(1).await.unwrap(), 0);
    assert_eq!(find(&database, &secret).await, Some(kept));
}
