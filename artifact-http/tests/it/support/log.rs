//! What is logged on this thread, down to trace.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use tracing::level_filters::LevelFilter;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects this thread's log until it is dropped. A test's runtime has one thread, and so has the
/// server in it.
#[derive(Debug)]
pub(crate) struct Log(());

impl Log {
    pub(crate) fn collect() -> Self {
        subscribe();
        LINES.set(Some(Vec::new()));
        Self(())
    }

    #[expect(
        clippy::unused_self,
        reason = "there is a log only while it is collected"
    )]
    pub(crate) fn text(&self) -> String {
        LINES.with_borrow(|lines| String::from_utf8(lines.clone().unwrap()).unwrap())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

/// Subscribes for the whole process, once, before anything is logged.
///
/// A subscriber of one thread would not do: tracing keeps for all threads together whether anybody
/// wants an event, and while there is one subscriber it asks that of whichever thread comes by the
/// event first. Were that a test without a log, the event would be lost to the tests with one.
pub(crate) fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| Lines)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
