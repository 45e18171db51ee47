use artifact_store::{Principal, PrincipalClass, PrincipalId};
use proptest::prelude::*;

use crate::support::{WORKER, experiment, worker_id};

#[test]
fn principals_are_admin_or_workers() {
    let admin: PrincipalId = "admin".parse().unwrap();
    assert_eq!(admin, PrincipalId::Admin);
    assert_eq!(admin.to_string(), "admin");
    let worker: PrincipalId = WORKER.parse().unwrap();
    assert_eq!(worker, PrincipalId::Worker(worker_id()));
    assert_eq!(worker.as_str(), WORKER);
}

#[test]
fn other_texts_are_not_principals() {
    let bad = [
        "",
        "Admin",
        "admin ",
        "system",
        "wkr_",
        "wkr_0123456789abcdefghjkmnpqr",
        "wkr_0123456789abcdefghjkmnpqrst",
        "wkr_0123456789abcdefghijkmnpqr",
        "wkr_0123456789abcdefghjklmnpqr",
        "wkr_0123456789abcdefghjkmnopqr",
        "wkr_0123456789abcdefghjkmnpqru",
        "WKR_0123456789abcdefghjkmnpqrs",
        "wkr_0123456789ABCDEFGHJKMNPQRS",
        "grp_0123456789abcdefghjkmnpqrs",
        "wkr_0123456789abcdefghjkmnpqé",
    ];
    for text in bad {
        text.parse::<PrincipalId>().unwrap_err();
    }
}

#[test]
fn membership_in_admins_does_not_change_the_class_of_the_credential() {
    let worker = Principal::worker(WORKER.parse().unwrap(), experiment());
    assert_eq!(worker.class(), PrincipalClass::Worker);
    assert!(!worker.is_admin_class());
    assert_eq!(worker.experiment(), Some(&experiment()));
    let member = worker.with_admin_class();
    assert_eq!(member.class(), PrincipalClass::Worker);
    assert!(member.is_admin_class());

    let admin = Principal::admin();
    assert_eq!(admin.class(), PrincipalClass::Admin);
    assert!(admin.is_admin_class());
    assert_eq!(admin.experiment(), None);
}

proptest! {
    #[test]
    fn principal_ids_print_as_they_were_parsed(text in "\\PC{0,40}|wkr_[0-9a-z]{26}") {
        if let Ok(id) = text.parse::<PrincipalId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.len() == 30 && !text[4..].contains(['i', 'l', 'o', 'u']));
        }
    }
}
