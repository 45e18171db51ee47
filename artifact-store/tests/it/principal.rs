use std::collections::HashSet;

use artifact_store::{AdministratorId, ExternalId, Principal, PrincipalClass, PrincipalId};
use proptest::prelude::*;

use crate::support::{EXTERNAL, WORKER, experiment, external, worker_id};

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
fn texts_that_look_like_other_ids_or_disturb_a_line_are_no_principals() {
    let long = "x".repeat(129);
    let long_in_bytes = "\u{e9}".repeat(65);
    let bad = [
        "",
        "Admin",
        "ADMIN",
        "aDmIn",
        "admin ",
        " admin",
        "wkr_",
        "wkr_0123456789abcdefghjkmnpqr",
        "wkr_0123456789abcdefghjkmnpqrst",
        "wkr_0123456789abcdefghijkmnpqr",
        "wkr_0123456789abcdefghjklmnpqr",
        "wkr_0123456789abcdefghjkmnopqr",
        "wkr_0123456789abcdefghjkmnpqru",
        "WKR_0123456789abcdefghjkmnpqrs",
        "Wkr_alice",
        "wkr_0123456789ABCDEFGHJKMNPQRS",
        "grp_0123456789abcdefghjkmnpqrs",
        "GRP_x",
        "wkr_0123456789abcdefghjkmnpq\u{e9}",
        "wkr_\u{e9}",
        " alice",
        "alice\u{a0}",
        "alice\u{3000}",
        "\0",
        "a\0b",
        "alice\n",
        "a\r\nb",
        "a\tb",
        "a\u{1b}[31mb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{2029}b",
        "nimda\u{202e}x",
        "a\u{200f}b",
        &long,
        &long_in_bytes,
    ];
    for text in bad {
        let error = text.parse::<PrincipalId>().unwrap_err();
        assert!(
            text.len() < 25 || !error.to_string().contains(text),
            "{text:?}"
        );
        text.parse::<ExternalId>().unwrap_err();
    }
    WORKER.parse::<ExternalId>().unwrap_err();
    "admin".parse::<ExternalId>().unwrap_err();
}

#[test]
fn ids_of_external_principals_are_opaque() {
    let mut all = HashSet::new();
    for text in EXTERNAL {
        let id: PrincipalId = text
            .parse()
            .unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(id, PrincipalId::External(text.parse().unwrap()));
        assert_eq!((id.as_str(), id.to_string().as_str()), (*text, *text));
        // One line, and no way to end the quotes.
        assert_eq!(format!("{id:?}"), format!("PrincipalId({text:?})"));
        let principal = external(text);
        assert_eq!(
            (principal.id(), principal.class()),
            (id.clone(), PrincipalClass::External)
        );
        assert_eq!(principal.experiment(), Some(&experiment()));
        assert!(!principal.is_admin_class());
        let member = principal.with_admin_class();
        assert!(member.is_admin_class());
        assert_eq!(member.class(), PrincipalClass::External);
        assert!(all.insert(id));
    }
    assert_eq!(all.len(), EXTERNAL.len());
}

#[test]
fn claims_are_kept_by_type_and_not_shown() {
    #[derive(Debug, PartialEq)]
    struct Teams(&'static str);
    let plain = external("alice");
    assert_eq!(plain.claims::<Teams>(), None);
    let first = plain.clone().with_claims(Teams("canary-5d20"));
    assert_eq!(first.claims::<Teams>(), Some(&Teams("canary-5d20")));
    assert_eq!(first.claims::<&str>(), None);
    assert!(!format!("{first:?}").contains("canary"), "{first:?}");
    assert_eq!(first, first.clone());
    assert_ne!(first, plain);
    let second = first.clone().with_claims("other");
    assert_eq!(second.claims::<Teams>(), None);
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

    for admin in [
        Principal::admin(),
        Principal::administrator(ADMINISTRATOR.parse().unwrap()),
    ] {
        assert_eq!(admin.class(), PrincipalClass::Admin);
        assert!(admin.is_admin_class());
        assert_eq!(admin.experiment(), None);
        assert_eq!(admin.clone().with_admin_class(), admin);
    }
}

const ADMINISTRATOR: &str = "adm_0123456789abcdefghjkmnpqrs";

#[test]
fn named_administrators_have_ids_of_their_own() {
    let id: PrincipalId = ADMINISTRATOR.parse().unwrap();
    let administrator: AdministratorId = ADMINISTRATOR.parse().unwrap();
    assert_eq!(id, PrincipalId::Administrator(administrator));
    assert_eq!(
        (id.as_str(), id.to_string().as_str()),
        (ADMINISTRATOR, ADMINISTRATOR)
    );
    assert_eq!(format!("{id:?}"), format!("PrincipalId({ADMINISTRATOR})"));
    assert_eq!(Principal::administrator(administrator).id(), id);
    assert_ne!(Principal::administrator(administrator), Principal::admin());
    // Neither the same digits as a worker nor another letter case is the same principal, or an external one.
    let worker: PrincipalId = ADMINISTRATOR.replace("adm_", "wkr_").parse().unwrap();
    assert_ne!(worker, id);
    for text in [
        ADMINISTRATOR.to_uppercase(),
        ADMINISTRATOR.replace("adm_", "Adm_"),
        ADMINISTRATOR.replace('0', "o"),
    ] {
        assert!(text.parse::<PrincipalId>().is_err(), "{text}");
        assert!(text.parse::<AdministratorId>().is_err(), "{text}");
    }
    // What has another length was, and stays, the id of an external principal.
    for text in ["adm_alice", "adm_", &format!("{ADMINISTRATOR}0")] {
        let id: PrincipalId = text.parse().unwrap();
        assert_eq!(id, PrincipalId::External(text.parse().unwrap()), "{text}");
    }
    assert!(ADMINISTRATOR.parse::<ExternalId>().is_err());
    assert_ne!(AdministratorId::mint(), AdministratorId::mint());
}

proptest! {
    #[test]
    fn principal_ids_print_as_they_were_parsed(text in "\\PC{0,40}|(?i:wkr_|admin|grp_|adm_)[0-9a-z]{0,27}") {
        if let Ok(id) = text.parse::<PrincipalId>() {
            prop_assert_eq!(id.as_str(), &text);
            let lower = text.to_ascii_lowercase();
            match id {
                PrincipalId::Admin => prop_assert_eq!(text, "admin"),
                PrincipalId::Worker(_) | PrincipalId::Administrator(_) => {
                    prop_assert!(text.len() == 30 && !text[4..].contains(['i', 'l', 'o', 'u']));
                }
                _ => {
                    prop_assert!(lower != "admin" && !lower.starts_with("wkr_") && !lower.starts_with("grp_"));
                    prop_assert!(!lower.starts_with("adm_") || text.len() != 30);
                }
            }
        }
    }
}
