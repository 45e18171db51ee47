use artifact_store::{ExperimentId, Principal, PrincipalClass, PrincipalId};
use proptest::prelude::*;

use crate::support::{WORKER, experiment};

#[test]
fn an_experiment_is_named_in_unreserved_characters() {
    for good in ["a", "A-Z_0.9~", "...", "-", &"x".repeat(128)] {
        let id: ExperimentId = good.parse().unwrap();
        assert_eq!(id.as_str(), good);
        assert_eq!(id.to_string(), good);
    }
}

#[test]
fn what_could_be_read_otherwise_names_no_experiment() {
    let long = "x".repeat(129);
    let bad = [
        "", ".", "..", "a/b", "a\\b", "a b", " a", "a%2e", "a\0", "a\r\n", "é", "\u{ff10}", "a:b",
        "a?b", "a#b", "a@b", "a+b", &long,
    ];
    for text in bad {
        let error = text.parse::<ExperimentId>().unwrap_err();
        assert!(error.to_string().contains("1 to 128"), "{text:?}");
    }
}

#[test]
fn a_principal_is_admin_or_a_worker() {
    let admin: PrincipalId = "admin".parse().unwrap();
    assert!(admin.is_admin());
    assert_eq!(admin, PrincipalId::admin());
    let worker: PrincipalId = WORKER.parse().unwrap();
    assert!(!worker.is_admin());
    assert_eq!(worker.as_str(), WORKER);
}

#[test]
fn nothing_else_is_a_principal() {
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

#[test]
#[should_panic(expected = "never `admin`")]
fn a_worker_is_never_called_admin() {
    let _ = Principal::worker(PrincipalId::admin(), experiment());
}

proptest! {
    #[test]
    fn names_print_as_they_were_parsed(text in "\\PC{0,140}|[a-z0-9._~-]{1,130}|wkr_[0-9a-z]{26}") {
        if let Ok(id) = text.parse::<ExperimentId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"/\\%?#:@".contains(&b)));
        }
        if let Ok(id) = text.parse::<PrincipalId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.len() == 30 && !text[4..].contains(['i', 'l', 'o', 'u']));
        }
    }
}
