//! Captures the log of a thread, down to the level trace.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use tracing::level_filters::LevelFilter;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Captures this thread's log until it is dropped. A test and its server run on one thread.
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
        reason = "the log exists only while it is captured"
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

/// Installs the process-wide subscriber, once, before anything is logged.
///
/// A subscriber per thread does not work: tracing caches for all threads together whether an event is
/// wanted, and asks the thread that reaches the event first. If that thread has no subscriber, other
/// threads lose the event.
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
