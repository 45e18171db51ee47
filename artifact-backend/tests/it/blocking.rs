//! The feature `blocking`.

use std::sync::mpsc;
use std::thread;

use artifact_backend::blocking;

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
