use std::sync::Arc;

use artifact_store::{ErrorKind, Principal, PrincipalId, WorkerId, authorize};

use crate::support::{OTHER_WORKER, experiment, other_experiment, row, worker, worker_id};

fn may(principal: &Principal, row: artifact_store::Row) -> bool {
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
