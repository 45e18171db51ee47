//! What a crash leaves is repaired, and nothing else is.

use std::error::Error;

use artifact_audit::{AuditErrorKind, AuditLog, AuditOptions, DamageKind, verify_files};

use crate::support::{Folder, events, fetch, grant, read, write};

#[tokio::test]
async fn a_crash_at_any_byte_leaves_a_log_that_goes_on() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    for number in 0..4 {
        log.record(&grant(number)).wait().await.unwrap();
    }
    log.close().await.unwrap();
    let whole = read(&folder.log());
    let chain = log.head().unwrap().chain;
    drop(log);
    for length in 0..=whole.len() {
        let folder = Folder::new();
        write(&folder.log(), &whole[..length]);
        let log = folder.open(AuditOptions::default());
        log.record(&grant(9)).wait().await.unwrap();
        log.close().await.unwrap();
        let report = folder.verify();
        assert!(report.is_good(), "{length}: {:?}", report.damages);

        let complete = lines(&whole[..length]);
        let ends_with_line = length == 0 || whole[length - 1] == b'\n';
        let found = read(&folder.log());
        let first = match (complete, ends_with_line) {
            (0, _) => "begin",
            (_, true) => "open",
            (_, false) => "recovered",
        };
        assert_eq!(
            events(&found)[complete..],
            [first, "action", "close"],
            "{length}"
        );
        // Complete lines stay as they are, and the same chain goes on.
        let kept = whole[..length].iter().rposition(|byte| *byte == b'\n');
        let kept = kept.map_or(0, |at| at + 1);
        assert_eq!(found[..kept], whole[..kept]);
        let found_chain = &log.head().unwrap().chain;
        assert_eq!(*found_chain == chain, complete > 0, "{length}");
        // What was cut off is in another file.
        let names = folder.names();
        assert_eq!(names.len(), if ends_with_line { 1 } else { 2 }, "{names:?}");
        if !ends_with_line {
            assert_eq!(names[1], format!("audit.log.torn-{complete}-0"));
            assert_eq!(read(&folder.path(&names[1])), whole[kept..length]);
        }
    }
}

#[tokio::test]
async fn a_log_that_was_changed_is_not_opened() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    for number in 0..3 {
        log.record(&grant(number)).wait().await.unwrap();
    }
    log.close().await.unwrap();
    let text = String::from_utf8(read(&folder.log())).unwrap();
    let changed = text.replace("grant-1", "grant-7");
    for torn in ["", "{\"v\":1"] {
        let damaged = changed.clone() + torn;
        write(&folder.log(), damaged.as_bytes());
        let error = AuditLog::open(&folder.log(), AuditOptions::default()).unwrap_err();
        assert_eq!(error.kind(), AuditErrorKind::Damaged);
        let source = error.source().unwrap().to_string();
        assert!(
            source.ends_with("audit.log:3: the line was changed"),
            "{source}"
        );
        assert_eq!(read(&folder.log()), damaged.as_bytes());
        assert_eq!(folder.names(), ["audit.log"]);
    }
}

#[tokio::test]
async fn a_log_has_one_writer() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    let second = AuditLog::open(&folder.log(), AuditOptions::default()).unwrap_err();
    assert_eq!(second.kind(), AuditErrorKind::Locked);
    log.record(&fetch(1)).wait().await.unwrap();
    log.close().await.unwrap();
    // Also while a handle of the closed log is left.
    let third = folder.open(AuditOptions::default());
    third.close().await.unwrap();
    assert_eq!(
        events(&read(&folder.log())),
        ["begin", "action", "close", "open", "close"]
    );
    let late = log.record(&grant(1)).wait().await.unwrap_err();
    assert_eq!(late.kind(), AuditErrorKind::Closed);
    assert_eq!(log.check().unwrap_err().kind(), AuditErrorKind::Closed);
}

#[tokio::test]
async fn lines_that_no_request_waits_for_are_written_when_the_log_is_dropped() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    for number in 0..100 {
        drop(log.record(&fetch(number)));
    }
    log.close().await.unwrap();
    let found = events(&read(&folder.log()));
    assert_eq!(found.len(), 102);
    assert!(folder.verify().is_good());
}

#[test]
fn something_else_at_the_path_is_refused() {
    let folder = Folder::new();
    write(&folder.log(), b"not an audit log\n");
    let error = AuditLog::open(&folder.log(), AuditOptions::default()).unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Damaged);
    let missing = folder.path("missing").join("audit.log");
    let error = AuditLog::open(&missing, AuditOptions::default()).unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Io);
    let error = AuditLog::open(&folder.path("."), AuditOptions::default()).unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Io);
}

#[tokio::test]
async fn lines_of_many_tasks_are_each_there_once() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    let tasks = (0..8).map(|task| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                log.record(&grant(task * 50 + number)).wait().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    log.close().await.unwrap();
    assert!(folder.verify().is_good());
    let text = String::from_utf8(read(&folder.log())).unwrap();
    for number in 0..400 {
        let grant = format!("\"grant-{number}\"");
        assert_eq!(text.matches(&grant).count(), 1, "{grant}");
    }
}

/// Returns the number of complete lines.
fn lines(bytes: &[u8]) -> usize {
    let parts = bytes.split(|byte| *byte == b'\n');
    parts.count() - 1
}

#[tokio::test]
async fn side_files_are_skipped_by_a_check_unless_they_have_lines() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    log.record(&grant(1)).wait().await.unwrap();
    log.close().await.unwrap();
    let torn = folder.path("audit.log.torn-3-0");
    write(&torn, b"{\"v\":1");
    let empty = folder.path("audit.log.torn-12-1");
    write(&empty, b"");
    let lock = folder.path("audit.log.lock");
    let all = [folder.log(), torn.clone(), lock.clone(), empty.clone()];
    let report = verify_files(&all, &[]).unwrap();
    assert!(report.is_good(), "{:?}", report.damages);
    assert_eq!(report.skipped, [torn, lock.clone(), empty]);
    assert_eq!(report.chains[0].files, 1);

    // A name alone hides nothing.
    write(&lock, b"made up\n");
    let report = verify_files(&[folder.log(), lock], &[]).unwrap();
    assert_eq!(report.damages[0].kind, DamageKind::Unreadable);
    assert!(report.skipped.is_empty());
    for name in ["audit.log.torn-x-0", "audit.log.torn-1"] {
        let path = folder.path(name);
        write(&path, b"");
        let report = verify_files(&[path], &[]).unwrap();
        assert!(!report.is_good(), "{name}");
    }
}
