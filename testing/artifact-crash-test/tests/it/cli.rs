//! The binary: its exit code is the verdict.

use std::process::{Command, Output};
use std::time::Duration;

use artifact_crash_test::available;
use artifact_crash_test::block::FileSystem;

use crate::harness::{BINARY, is_mounted, ready};

fn fuse(store: &str) -> Output {
    Command::new(BINARY)
        .args([
            "fuse",
            "--trials",
            "1",
            "--blob",
            "blobs/{hex32}",
            "--scratch",
            "staging/*",
            "--",
        ])
        .args([BINARY, "store", store, "--rounds", "3"])
        .output()
        .unwrap()
}

#[test]
fn the_exit_code_says_whether_something_was_found() {
    if !ready(available()) {
        return;
    }
    let right = fuse("named-staging");
    let text = String::from_utf8_lossy(&right.stdout);
    assert!(text.contains("findings  none"), "{text}");
    assert_eq!(right.status.code(), Some(0));

    let wrong = fuse("no-folder-sync");
    let text = String::from_utf8_lossy(&wrong.stdout);
    assert!(text.contains("was acknowledged and is gone ["), "{text}");
    assert_eq!(wrong.status.code(), Some(1));
}

/// Waits for a condition that another process brings about.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came that {what}");
}

#[test]
fn a_simulator_that_is_killed_leaves_no_mount_and_no_loop_device() {
    if !ready(FileSystem::Ext4.available()) {
        return;
    }
    for arguments in [&["fuse"][..], &["block", "--fs", "ext4"]] {
        let temporary = tempfile::tempdir().unwrap();
        let empty = || {
            std::fs::read_dir(temporary.path())
                .unwrap()
                .next()
                .is_none()
        };
        let ready = temporary.path().with_extension("ready");
        let script = format!(
            "mkdir {}; while [ -d \"$2\" ]; do sleep 0.05; done",
            ready.display()
        );
        let mut simulator = Command::new(BINARY)
            .args(arguments)
            .args(["--", "sh", "-c", &script, "store"])
            .env("TMPDIR", temporary.path())
            .spawn()
            .unwrap();
        wait_until("the subject ran", || ready.exists());
        assert!(is_mounted(temporary.path()) && !empty());
        simulator.kill().unwrap();
        simulator.wait().unwrap();
        wait_until("all was unmounted", || {
            !is_mounted(temporary.path()) && empty()
        });
        wait_until("all was detached", || {
            let loops = Command::new("losetup")
                .args(["--list", "--output", "BACK-FILE"])
                .output();
            let listed = String::from_utf8(loops.unwrap().stdout).unwrap();
            !listed.contains(temporary.path().to_str().unwrap())
        });
        rustix::fs::rmdir(&ready).unwrap();
    }
}

#[test]
fn a_store_that_is_not_known_is_an_error() {
    let output = Command::new(BINARY)
        .args(["store", "perfect", "run", "/"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no store is called perfect"));
}
