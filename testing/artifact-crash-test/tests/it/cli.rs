//! The binary `artifact-crash`.

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
fn the_exit_code_is_1_if_there_are_findings() {
    if !ready(available()) {
        return;
    }
    let correct = fuse("named-staging");
    let text = String::from_utf8_lossy(&correct.stdout);
    assert!(text.contains("findings  none"), "{text}");
    assert_eq!(correct.status.code(), Some(0));

    let broken = fuse("no-folder-sync");
    let text = String::from_utf8_lossy(&broken.stdout);
    assert!(text.contains("was acknowledged and is gone ["), "{text}");
    assert_eq!(broken.status.code(), Some(1));
}

/// Waits up to 20 seconds for a condition that another process causes.
fn wait_until(description: &str, condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("timed out waiting until {description}");
}

#[test]
fn a_killed_simulator_leaves_no_mount_and_no_loop_device() {
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
        wait_until("the subject runs", || ready.exists());
        assert!(is_mounted(temporary.path()) && !empty());
        simulator.kill().unwrap();
        simulator.wait().unwrap();
        wait_until("all mounts are gone", || {
            !is_mounted(temporary.path()) && empty()
        });
        wait_until("all loop devices are gone", || {
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
fn an_unknown_store_is_an_error() {
    let output = Command::new(BINARY)
        .args(["store", "perfect", "run", "/"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown store perfect"));
}
