//! Who may do what.

use artifact_store::{
    CollectionPosition, ErrorKind, FileQuery, NewArtifact, Principal, Result, WorkerId,
};

use super::site::{Site, kind, path};
use crate::support::{experiment, external, other_experiment};

/// What each method does for one principal. The last methods change the collection.
async fn outcomes(site: &Site, principal: &Principal) -> Vec<(&'static str, Option<ErrorKind>)> {
    fn note<T>(outcome: Result<T>) -> Option<ErrorKind> {
        outcome.err().map(|error| error.kind())
    }

    let (home, id) = (experiment(), site.create().await);
    site.put(id, "a", "1").await.unwrap();
    let collections = &site.other.collections;
    let new = NewArtifact::new(home.clone(), principal);
    let absent = path("absent");
    let own = Some(site.owner.id());
    vec![
        ("get", note(collections.get(principal, &home, id).await)),
        (
            "files",
            note(
                collections
                    .files(principal, &home, id, &FileQuery::default(), 9)
                    .await,
            ),
        ),
        (
            "find",
            note(collections.find(principal, &home, id, path("a")).await),
        ),
        (
            "find absent",
            note(collections.find(principal, &home, id, absent).await),
        ),
        (
            "locate absent",
            note(collections.locate(principal, &home, id, absent).await),
        ),
        (
            "list",
            note(
                collections
                    .list(principal, &home, own, CollectionPosition::START, 9)
                    .await,
            ),
        ),
        (
            "deposit",
            note(
                collections
                    .deposit(principal, &home, id, path("b"), new)
                    .await,
            ),
        ),
        (
            "remove",
            note(
                collections
                    .remove_file(principal, &home, id, path("a"))
                    .await,
            ),
        ),
        ("seal", note(collections.seal(principal, &home, id).await)),
        (
            "delete",
            note(collections.delete(principal, &home, id).await),
        ),
    ]
}

pub(super) async fn each_method_is_for_the_principals_of_the_table(site: &Site) {
    let absent = Some(ErrorKind::NotFound);
    let refused = Some(ErrorKind::Forbidden);
    let all = [
        ("get", None, refused),
        ("files", None, refused),
        ("find", None, refused),
        ("find absent", absent, refused),
        ("locate absent", absent, refused),
        ("list", None, refused),
        ("deposit", None, refused),
        ("remove", None, refused),
        ("seal", None, refused),
        ("delete", None, refused),
    ];
    for principal in [&site.owner, &Principal::admin()] {
        let expected: Vec<_> = all
            .iter()
            .map(|(name, allowed, _)| (*name, *allowed))
            .collect();
        assert_eq!(outcomes(site, principal).await, expected, "{principal:?}");
    }
    let stranger = Principal::worker(WorkerId::mint(), experiment());
    for principal in [&stranger, &external("alice@example.com")] {
        let expected: Vec<_> = all
            .iter()
            .map(|(name, _, refused)| (*name, *refused))
            .collect();
        assert_eq!(outcomes(site, principal).await, expected, "{principal:?}");
    }
    // Members of `admins` read like the administrator, and change nothing.
    let member = Principal::worker(WorkerId::mint(), experiment()).with_admin_class();
    let expected: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(index, (name, allowed, refused))| {
            (*name, if index < 6 { *allowed } else { *refused })
        })
        .collect();
    assert_eq!(outcomes(site, &member).await, expected);
}

pub(super) async fn a_principal_of_another_experiment_learns_nothing(site: &Site) {
    let stranger = Principal::worker(WorkerId::mint(), other_experiment());
    for (name, outcome) in outcomes(site, &stranger).await {
        assert_eq!(outcome, Some(ErrorKind::NotFound), "{name}");
    }
    // A collection of this experiment is not there under the path of another one.
    let id = site.create().await;
    let admin = Principal::admin();
    let found = site
        .one
        .collections
        .get(&admin, &other_experiment(), id)
        .await;
    assert_eq!(kind(found), ErrorKind::NotFound);
}
