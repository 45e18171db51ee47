//! Shows the progress of a transfer: a bar on a terminal, otherwise plain lines.

use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::output;

/// The time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one transfer.
pub(crate) struct Progress {
    verb: &'static str,
    total: Option<u64>,
    done: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    /// Starts to show a transfer of `total` bytes, if the size is known. `bar` allows a bar, which also needs
    /// a terminal on standard error.
    pub(crate) fn new(verb: &'static str, total: Option<u64>, bar: bool) -> Self {
        let shown = if bar && output::stderr_is_terminal() {
            Shown::Bar(draw(verb, total))
        } else {
            let next = Instant::now() + PLAIN_INTERVAL;
            Shown::Lines { next }
        };
        Self {
            verb,
            total,
            done: 0,
            shown,
        }
    }

    /// Adds `bytes` to the transferred bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.set(self.done + bytes as u64);
    }

    /// Sets the number of transferred bytes.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(self.done),
            Shown::Lines { next } => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + PLAIN_INTERVAL;
                    let (verb, done) = (self.verb, BinaryBytes(self.done));
                    match self.total {
                        Some(total) => {
                            output::note(format_args!("{verb}: {done} of {}", BinaryBytes(total)));
                        }
                        None => output::note(format_args!("{verb}: {done}")),
                    }
                }
            }
        }
    }
}

/// Removes the bar before anything else is printed, whether or not the transfer succeeded.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// No colours, so that `NO_COLOR` has nothing to turn off.
fn draw(verb: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{prefix} [{wide_bar}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta}",
        ),
        None => (
            ProgressBar::no_length(),
            "{prefix} {spinner} {binary_bytes}, {binary_bytes_per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template).expect("a test parses both templates");
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(verb);
    bar
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn both_templates_are_valid() {
        assert_eq!(draw("put", Some(3)).length(), Some(3));
        assert_eq!(draw("put", None).length(), None);
    }
}
