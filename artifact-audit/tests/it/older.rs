//! Logs that an older version has written.

use artifact_audit::{
    AuditEvent, AuditField, AuditKind, AuditOptions, AuditOutcome, LineFilter, select_lines,
};

use crate::support::{Folder, write};

/// A log from before there were receipts.
const OLDER: &[u8] = include_bytes!("older.log");

#[tokio::test]
async fn a_log_without_receipts_is_good_and_goes_on_with_them() {
    let folder = Folder::new();
    write(&folder.log(), OLDER);
    let before = folder.verify();
    assert!(before.is_good(), "{before:?}");
    assert_eq!(before.chains[0].lines, 3);

    let log = folder.open(AuditOptions::default());
    let event = AuditEvent::new("depositContent", AuditKind::Deposit, AuditOutcome::Done)
        .with_status(201)
        .with(AuditField::Receipt, "signed");
    log.record(&event).wait().await.unwrap();
    log.close().await.unwrap();
    let after = folder.verify();
    assert!(after.is_good(), "{after:?}");

    let signed = LineFilter::default().with(AuditField::Receipt, "signed");
    let mut found = Vec::new();
    select_lines(&[folder.log()], &signed, |line| {
        found.push(line.to_owned());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    let [line] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(
        line.ends_with("\"status\":201,\"receipt\":\"signed\"}"),
        "{line}"
    );
}
