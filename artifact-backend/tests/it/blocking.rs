//! The feature `blocking`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use artifact_backend::blocking::{self, BlockingPoolError};
use artifact_backend::host;
use rustix::process::{Resource, geteuid, getrlimit, setrlimit};

#[tokio::test]
async fn run_returns_the_result_of_the_work_from_another_thread() {
    let caller = thread::current().id();
    let worker = blocking::run(|| thread::current().id()).await.unwrap();
    assert_ne!(worker, caller);
}

#[tokio::test]
#[should_panic(expected = "the work panicked")]
async fn panics_of_the_work_continue_in_the_caller() {
    let _ = blocking::run::<()>(|| panic!("the work panicked")).await;
}

#[tokio::test]
async fn detached_work_runs_on_another_thread() {
    let caller = thread::current().id();
    let (sender, receiver) = mpsc::channel();
    blocking::detach(move || sender.send(thread::current().id()).unwrap());
    assert_ne!(receiver.recv().unwrap(), caller);
}

#[test]
fn detached_work_runs_on_the_callers_thread_outside_a_runtime() {
    let caller = thread::current().id();
    let (sender, receiver) = mpsc::channel();
    blocking::detach(move || sender.send(thread::current().id()).unwrap());
    assert_eq!(receiver.try_recv().unwrap(), caller);
}

/// The name of the test that runs in a child process.
const CHILD: &str = "blocking::work_is_refused_while_no_thread_can_be_had";

/// Sets the soft limit of the processes and threads of this user; `None` is the hard limit.
fn limit_threads(soft: Option<u64>) {
    let mut limit = getrlimit(Resource::Nproc);
    limit.current = soft.or(limit.maximum);
    setrlimit(Resource::Nproc, limit).unwrap();
}

/// Root has no limit of threads, so this test starts itself again as a user who has no other process.
#[test]
fn work_is_refused_while_no_thread_can_be_had() {
    if geteuid().is_root() {
        return run_as_another_user();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    let permit = Arc::new(());
    limit_threads(Some(1));
    runtime.block_on(async {
        for _ in 0..100 {
            let held = Arc::clone(&permit);
            let refused = blocking::run(move || drop(held)).await;
            assert_eq!(refused, Err(BlockingPoolError::NoThread));
            assert_eq!(Arc::strong_count(&permit), 1);
        }
        let refused = host::look_up("localhost".into()).await.unwrap_err();
        assert!(refused.to_string().contains("no thread"), "{refused}");
        let caller = thread::current().id();
        let (sender, receiver) = mpsc::channel();
        blocking::detach(move || sender.send(thread::current().id()).unwrap());
        assert_eq!(receiver.try_recv(), Ok(caller));
    });
    limit_threads(None);
    runtime.block_on(async {
        assert_eq!(blocking::run(|| 7).await, Ok(7));
        let found = host::look_up("localhost".into()).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    });
    println!("the child has run");
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn run_as_another_user() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    // In a folder that every user can reach.
    let program = folder.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    // The limit counts all processes of a user, so the user has no others.
    let user = 2_000_000_000 + std::process::id();
    let output = Command::new("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={user}")])
        .args(["--clear-groups", "--"])
        .arg(&program)
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("the child has run"), "{text}");
}
