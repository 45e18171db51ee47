use std::sync::Arc;

use artifact_store::{
    BuiltInRule, Error, ErrorKind, Operation, Principal, PrincipalId, ReadPolicy, Result, Row,
    WorkerId, authorize, authorize_with,
};
use async_trait::async_trait;

use crate::support::{
    EXTERNAL, OTHER_WORKER, experiment, external, other_experiment, row, worker, worker_id,
};

fn may(principal: &Principal, row: Row) -> bool {
    let id = row.id;
    match authorize(principal, Arc::new(row)) {
        Ok(grant) => {
            assert_eq!(grant.row().id, id);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Forbidden);
            assert_eq!(error.id(), Some(id));
            false
        }
    }
}

#[test]
fn depositors_and_administrators_of_the_same_experiment_may_read() {
    let other: WorkerId = OTHER_WORKER.parse().unwrap();
    let mut by_admin = row(2);
    by_admin.created_by = PrincipalId::Admin;

    // The reader; whether it may read a worker's artifact in exp-1; and the administrator's artifact there.
    let table = [
        ("admin", Principal::admin(), true, true),
        ("depositor", worker(), true, false),
        (
            "depositor in admins",
            worker().with_admin_class(),
            true,
            true,
        ),
        (
            "other worker",
            Principal::worker(other, experiment()),
            false,
            false,
        ),
        (
            "other worker in admins",
            Principal::worker(other, experiment()).with_admin_class(),
            true,
            true,
        ),
        (
            "depositor's id in another experiment",
            Principal::worker(worker_id(), other_experiment()),
            false,
            false,
        ),
        (
            "member of another experiment's admins",
            Principal::worker(other, other_experiment()).with_admin_class(),
            false,
            false,
        ),
        (
            "depositor's id in another experiment's admins",
            Principal::worker(worker_id(), other_experiment()).with_admin_class(),
            false,
            false,
        ),
    ];
    for (who, principal, workers, admins) in table {
        assert_eq!(
            may(&principal, row(1)),
            workers,
            "{who}, a worker's artifact"
        );
        assert_eq!(
            may(&principal, by_admin.clone()),
            admins,
            "{who}, the admin's artifact"
        );
    }
}

#[tokio::test]
async fn an_external_principal_reads_what_it_deposited_and_nothing_else() {
    for depositor in EXTERNAL {
        let mut mine = row(1);
        mine.created_by = depositor.parse().unwrap();
        for reader in EXTERNAL {
            let reader = external(reader);
            let expected = reader.id() == mine.created_by;
            assert_eq!(
                may(&reader, mine.clone()),
                expected,
                "{reader:?} {depositor}"
            );
        }
        assert!(!may(&worker(), mine.clone()));
        assert!(may(&Principal::admin(), mine.clone()));
        assert!(may(&external("auditor").with_admin_class(), mine.clone()));
        let elsewhere = Principal::external(depositor.parse().unwrap(), other_experiment());
        assert!(!may(&elsewhere, mine));
    }
    assert!(!may(&external("alice"), row(1)));
}

/// Answers the same to every question, or fails.
#[derive(Debug)]
struct Always(std::result::Result<bool, ErrorKind>);

#[async_trait]
impl ReadPolicy for Always {
    async fn may_read(&self, _: &Principal, _: &Row) -> Result<bool> {
        self.0
            .map_err(|kind| Error::new(kind, Operation::WriteWorker))
    }
}

#[tokio::test]
async fn a_policy_widens_and_narrows_the_rule_within_an_experiment() {
    let table = [
        ("depositor", worker()),
        ("administrator", Principal::admin()),
        ("stranger", external("alice")),
    ];
    for (who, reader) in table {
        let ask = async |policy: &dyn ReadPolicy| {
            let outcome = authorize_with(policy, &reader, Arc::new(row(1))).await;
            outcome
                .map(|grant| grant.row().id)
                .map_err(|error| (error.kind(), error.id()))
        };
        let id = row(1).id;
        assert_eq!(ask(&Always(Ok(true))).await, Ok(id), "{who}");
        let forbidden = Err((ErrorKind::Forbidden, Some(id)));
        assert_eq!(ask(&Always(Ok(false))).await, forbidden, "{who}");
        for &kind in ErrorKind::ALL {
            let expected = match kind {
                ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Unavailable => kind,
                _ => ErrorKind::Unexpected,
            };
            let outcome = ask(&Always(Err(kind))).await;
            assert_eq!(outcome, Err((expected, Some(id))), "{who}: {kind}");
        }
        let built_in = if who == "stranger" { forbidden } else { Ok(id) };
        assert_eq!(ask(&BuiltInRule).await, built_in, "{who}");
    }
}

#[tokio::test]
async fn no_policy_widens_the_rule_beyond_an_experiment() {
    let outsiders = [
        Principal::worker(worker_id(), other_experiment()).with_admin_class(),
        Principal::external("alice".parse().unwrap(), other_experiment()),
    ];
    for outsider in outsiders {
        // Also if the policy fails: it must not be asked.
        for policy in [Always(Ok(true)), Always(Err(ErrorKind::Unavailable))] {
            let outcome = authorize_with(&policy, &outsider, Arc::new(row(1))).await;
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Forbidden);
        }
    }
}
