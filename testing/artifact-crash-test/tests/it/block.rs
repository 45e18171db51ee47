//! The recording block device, mostly on ext4 without a journal, which reveals the most flaws.

use artifact_crash_test::Report;
use artifact_crash_test::block::{BlockExploration, BlockOptions, FileSystem, explore, record};

use crate::harness::{kinds, layout, ready, store};

fn crashes(kind: &str, file_system: FileSystem, exploration: &BlockExploration) -> Report {
    let recording = record(&store(kind, 12), file_system, &BlockOptions::default()).unwrap();
    explore(&recording, &layout().into(), exploration).unwrap()
}

#[test]
fn ext4_without_a_journal_reveals_an_unsynced_link_count() {
    if !ready(FileSystem::Ext4NoJournal.available()) {
        return;
    }
    let exploration = BlockExploration::default()
        .with_states(60)
        .with_stop_at_first();
    for (kind, finding) in [("tmpfile-one-sync", "lost"), ("no-folder-sync", "lost")] {
        let report = crashes(kind, FileSystem::Ext4NoJournal, &exploration);
        assert!(kinds(&report).contains(finding), "{kind}: {report}");
    }
}

#[test]
fn correct_stores_have_no_findings_on_real_file_systems() {
    for file_system in [FileSystem::Ext4NoJournal, FileSystem::Ext4] {
        if !ready(file_system.available()) {
            return;
        }
        for kind in ["tmpfile-two-syncs", "named-staging", "fan-out"] {
            let exploration = BlockExploration::default().with_states(40);
            let report = crashes(kind, file_system, &exploration);
            assert!(report.is_clean(), "{kind} on {file_system}: {report}");
            assert!(
                report.states == 40 && report.distinct > 20,
                "{kind}: {report}"
            );
        }
    }
}

#[test]
fn an_unsynced_folder_is_found_on_every_file_system() {
    for file_system in FileSystem::ALL {
        if !ready(file_system.available()) {
            continue;
        }
        let exploration = BlockExploration::default()
            .with_states(20)
            .with_stop_at_first();
        let report = crashes("no-folder-sync", file_system, &exploration);
        assert_eq!(kinds(&report), ["lost"].into(), "{file_system}: {report}");
    }
}
