//! A new file goes on with the chain of the former one.

use artifact_audit::{AuditErrorKind, AuditOptions};

use crate::support::{Folder, events, fetch, grant, read, rename, write};

#[tokio::test]
async fn a_large_file_is_replaced_and_keeps_the_chain() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default().with_max_file_bytes(2_000));
    for number in 0..40 {
        log.record(&grant(number)).wait().await.unwrap();
    }
    log.close().await.unwrap();
    let chain = folder.chain();
    assert!(chain.len() > 3, "{chain:?}");
    let report = folder.verify();
    assert!(report.is_good(), "{:?}", report.damages);
    assert_eq!(report.chains.len(), 1);
    let found = &report.chains[0];
    assert_eq!((found.files, found.first), (chain.len(), Some(0)));
    assert_eq!(found.head, Some(log.head().unwrap().hash));
    // Each file names the one before.
    for pair in chain.windows(2) {
        let text = String::from_utf8(read(&pair[1])).unwrap();
        let first = text.lines().next().unwrap();
        let former = pair[0].file_name().unwrap().to_str().unwrap();
        assert!(first.contains(&format!("\"file\":\"{former}\"")), "{first}");
    }
    let without = [&chain[..1], &chain[2..]].concat();
    let report = artifact_audit::verify_files(&without, &[]).unwrap();
    assert_eq!(report.damages.len(), 1, "{:?}", report.damages);
    assert_eq!(report.damages[0].kind.as_str(), "missing");
}

#[tokio::test]
async fn a_file_that_another_program_has_moved_is_found_and_named() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    log.record(&grant(1)).wait().await.unwrap();
    rename(&folder.log(), &folder.path("audit.log-1"));
    // Until the log is opened again, lines go on in the moved file.
    log.record(&grant(2)).wait().await.unwrap();
    log.reopen().await.unwrap();
    log.record(&grant(3)).wait().await.unwrap();
    // Its own name, because it is still there.
    log.reopen().await.unwrap();
    log.close().await.unwrap();
    let names = folder.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(
        events(&read(&folder.path("audit.log-1"))),
        ["begin", "action", "action"]
    );
    let second = read(&folder.path(&names[2]));
    assert_eq!(events(&second), ["continue", "action"]);
    assert!(
        String::from_utf8(second)
            .unwrap()
            .contains("\"file\":\"audit.log-1\"")
    );
    assert_eq!(events(&read(&folder.log())), ["continue", "close"]);
    assert!(folder.verify().is_good());
}

#[tokio::test]
async fn a_foreign_file_at_the_path_is_not_replaced() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    rename(&folder.log(), &folder.path("audit.log.1"));
    write(&folder.log(), b"of another program");
    let error = log.reopen().await.unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Io);
    log.record(&grant(1)).wait().await.unwrap();
    log.close().await.unwrap();
    assert_eq!(read(&folder.log()), b"of another program");
    assert_eq!(
        events(&read(&folder.path("audit.log.1"))),
        ["begin", "action", "close"]
    );
}

#[tokio::test]
async fn a_crash_during_a_rotation_loses_no_line() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    log.record(&fetch(1)).wait().await.unwrap();
    log.reopen().await.unwrap();
    log.close().await.unwrap();
    let [current, former] = &folder.names()[..] else {
        panic!("{:?}", folder.names());
    };
    let (current, former) = (read(&folder.path(current)), folder.path(former));
    let first_line = current.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // The new file is not complete, and the former one has its name.
    let early = Folder::new();
    write(&early.log(), &read(&former));
    write(&early.path("audit.log.new"), &current[..first_line / 2]);
    early.open(AuditOptions::default()).close().await.unwrap();
    assert_eq!(early.names(), ["audit.log"]);
    assert!(early.verify().is_good());
    // The former file has its new name, and the new one not yet.
    let late = Folder::new();
    let name = former.file_name().unwrap().to_str().unwrap();
    write(&late.path(name), &read(&former));
    write(&late.path("audit.log.new"), &current[..first_line]);
    late.open(AuditOptions::default()).close().await.unwrap();
    assert_eq!(late.names(), ["audit.log", name]);
    assert_eq!(events(&read(&late.log())), ["continue", "open", "close"]);
    assert!(late.verify().is_good());
}
