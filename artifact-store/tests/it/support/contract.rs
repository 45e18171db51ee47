//! Runs the cases of a contract.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

/// Runs all cases one after the other, also after one has failed. Panics with the names and messages of those that failed.
#[expect(clippy::print_stderr, reason = "shown if a case fails")]
pub(crate) async fn run_all<C>(
    cases: impl IntoIterator<Item = C>,
    name: impl Fn(&C) -> &'static str,
    run: impl AsyncFn(C),
) {
    let mut failed = Vec::new();
    for case in cases {
        let name = name(&case);
        eprintln!("{name}");
        if let Err(panic) = AssertUnwindSafe(run(case)).catch_unwind().await {
            failed.push(format!("{name}: {}", message(&*panic)));
        }
    }
    let (count, failed) = (failed.len(), failed.join("\n"));
    assert!(count == 0, "{count} cases failed:\n{failed}");
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text")
}

#[tokio::test]
async fn cases_after_one_that_fails_run_too() {
    let cases = [("first", 1), ("second", 2), ("third", 3)];
    let ran = std::sync::Mutex::new(Vec::new());
    let run = run_all(
        cases,
        |case| case.0,
        async |(_, number)| {
            ran.lock().unwrap().push(number);
            assert!(number == 2, "this is {number}");
        },
    );
    let panic = AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
    let text = message(&*panic).to_owned();
    assert_eq!(text, "2 cases failed:\nfirst: this is 1\nthird: this is 3");
    assert_eq!(*ran.lock().unwrap(), [1, 2, 3]);
}
