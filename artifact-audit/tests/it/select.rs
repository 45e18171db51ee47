//! Lines are found by their fields and times.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use artifact_audit::{AuditField, AuditOptions, LineFilter, SelectReport, select_lines};
use serde_json::Value;

use crate::support::{Folder, fetch, grant, read, write};

/// Returns what a search found.
fn select(paths: &[PathBuf], filter: &LineFilter) -> (Vec<String>, SelectReport) {
    let mut lines = Vec::new();
    let report = select_lines(paths, filter, |line| {
        lines.push(line.to_owned());
        ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert_eq!(report.selected, lines.len() as u64);
    (lines, report)
}

fn artifact(number: usize) -> LineFilter {
    LineFilter::default().with(AuditField::Artifact, format!("{number:032x}"))
}

/// Makes a log of ten fetches and a grant in several files.
async fn filled(folder: &Folder) {
    let log = folder.open(AuditOptions::default().with_max_file_bytes(1_000));
    for number in 0..10 {
        log.record(&fetch(number)).wait().await.unwrap();
    }
    log.record(&grant(1)).wait().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn lines_are_found_by_their_fields_in_the_order_of_the_chain() {
    let folder = Folder::new();
    filled(&folder).await;
    let mut files = folder.chain();
    assert!(files.len() > 1, "{files:?}");
    files.reverse();
    let (all, _) = select(&files, &LineFilter::default());
    let numbers = all.iter().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["seq"].as_u64().unwrap()
    });
    let expected: Vec<_> = (0..all.len() as u64).collect();
    assert_eq!(numbers.collect::<Vec<_>>(), expected);
    let by_admin = LineFilter::default().with(AuditField::Principal, "admin");
    assert_eq!(select(&files, &by_admin).0.len(), 10);
    let (found, report) = select(&files, &artifact(3));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains(&format!("{:032x}", 3)), "{found:?}");
    assert_eq!((report.unreadable, report.skipped), (vec![], vec![]));
    let both = artifact(3).with(AuditField::Principal, "adm");
    assert_eq!(select(&files, &both).0, [""; 0]);
}

#[tokio::test]
async fn lines_are_found_by_their_times() {
    let folder = Folder::new();
    filled(&folder).await;
    let files = folder.chain();
    let (all, _) = select(&files, &LineFilter::default());
    let times: Vec<SystemTime> = all
        .iter()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
            SystemTime::try_from(time).unwrap()
        })
        .collect();
    for time in &times {
        let since = select(&files, &LineFilter::default().with_since(*time)).0;
        let until = select(&files, &LineFilter::default().with_until(*time)).0;
        let later = times.iter().filter(|other| *other >= time).count();
        assert_eq!((since.len(), until.len()), (later, all.len() - later));
    }
    let never = *times.last().unwrap() + Duration::from_micros(1);
    let never = LineFilter::default().with_since(never);
    assert_eq!(select(&files, &never).0, [""; 0]);
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_reported_and_the_rest_is_found() {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default());
    for number in 0..3 {
        log.record(&fetch(number)).wait().await.unwrap();
    }
    log.close().await.unwrap();
    let text = String::from_utf8(read(&folder.log())).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1] = "x".repeat(70_000);
    lines[2] = "{\"v\":1}".to_owned();
    write(
        &folder.log(),
        format!("{}\n{{\"v\"", lines.join("\n")).as_bytes(),
    );
    let files = [folder.log(), folder.path("audit.log.lock")];
    let (found, report) = select(&files, &artifact(2));
    assert_eq!(found.len(), 1, "{report:?}");
    let unreadable = report.unreadable.iter();
    let unreadable: Vec<_> = unreadable
        .map(|damage| (damage.line, damage.kind.as_str()))
        .collect();
    let last = lines.len() as u64 + 1;
    let expected = [(2, "unreadable"), (3, "unreadable"), (last, "torn")];
    assert_eq!(unreadable, expected);
    assert_eq!(report.skipped, [folder.path("audit.log.lock")]);
}

#[tokio::test]
async fn a_search_ends_when_its_caller_says_so() {
    let folder = Folder::new();
    filled(&folder).await;
    let mut seen = 0;
    let report = select_lines(&folder.chain(), &LineFilter::default(), |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((report.unwrap().selected, seen), (1, 1));
}
