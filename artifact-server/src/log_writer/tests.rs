use std::io::{ErrorKind, Result};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// No passing test waits this long.
const LONG: Duration = Duration::from_secs(60);

/// An output whose writes follow the test: each step accepts up to a number of bytes, or fails.
struct Script {
    steps: Receiver<std::result::Result<usize, ErrorKind>>,
    written: Sender<String>,
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        // A script that is over accepts everything.
        let length = self.steps.recv().unwrap_or(Ok(usize::MAX))?;
        let length = length.min(bytes.len());
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        self.written.send(text).unwrap();
        Ok(length)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

struct World {
    log: LogWriter,
    steps: Sender<std::result::Result<usize, ErrorKind>>,
    written: Receiver<String>,
}

impl World {
    fn new() -> Self {
        let (steps, script) = channel();
        let (output, written) = channel();
        let output = Script {
            steps: script,
            written: output,
        };
        Self {
            log: LogWriter::start(output, |lines| format!("lost {lines}\n")).unwrap(),
            steps,
            written,
        }
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        (&self.log).write_all(text.as_ref()).unwrap();
    }

    fn step(&self, step: std::result::Result<usize, ErrorKind>) {
        self.steps.send(step).unwrap();
    }

    /// Waits until the thread is inside a write, so that further lines stay in the queue.
    fn wait_until_taken(&self) {
        while !self.log.shared.lock().text.is_empty() {
            thread::yield_now();
        }
    }

    /// Ends the script and the thread, and returns all writes.
    fn end(self) -> Vec<String> {
        drop((self.log, self.steps));
        self.written.iter().collect()
    }
}

#[test]
fn lines_that_wait_share_writes_of_whole_lines() {
    let world = World::new();
    world.write("first\n");
    world.wait_until_taken();
    let line = |number: usize| format!("{number:04} {}\n", "x".repeat(94));
    for number in 0..50 {
        world.write(line(number));
    }
    world.write(format!("{}\n", "y".repeat(9_000)));
    world.write("last\n");
    let written = world.end();
    let lengths: Vec<_> = written.iter().map(String::len).collect();
    assert_eq!(lengths, [6, 4_000, 1_000, 9_001, 5]);
    let lines: String = (0..50).map(line).collect();
    assert_eq!(written[1..3].concat(), lines);
}

#[test]
fn a_stuck_output_stops_no_caller_and_memory_is_bounded() {
    let world = World::new();
    world.write("first\n");
    world.wait_until_taken();
    let line = format!("{}\n", "x".repeat(1_023));
    for _ in 0..1_030 {
        world.write(&line);
    }
    assert_eq!(world.log.shared.lock().text.len(), LogWriter::CAPACITY);
    let written = world.end().concat();
    assert!(written.starts_with("first\nx"));
    assert!(written.ends_with("x\nlost 6\n"));
    assert_eq!(written.lines().count(), 1 + 1_024 + 1);
}

#[test]
fn after_a_dropped_line_no_line_is_queued_before_the_count() {
    let world = World::new();
    world.write("first\n");
    world.wait_until_taken();
    world.write(vec![b'x'; LogWriter::CAPACITY + 1]);
    world.write("short\n");
    assert_eq!(world.end().concat(), "first\nlost 2\n");
}

#[test]
fn lines_of_failed_writes_are_counted_at_their_place() {
    for kind in [
        ErrorKind::BrokenPipe,
        ErrorKind::StorageFull,
        ErrorKind::FileTooLarge,
        ErrorKind::Other,
    ] {
        let world = World::new();
        for (text, step) in [
            ("one\n", Ok(100)),
            ("two\nthree\n", Err(kind)),
            // The count cannot be written either.
            ("four\n", Err(kind)),
        ] {
            world.step(step);
            world.write(text);
            assert!(world.log.flush(LONG));
        }
        world.step(Ok(100));
        world.step(Ok(100));
        world.write("five\n");
        assert_eq!(world.end(), ["one\n", "lost 3\n", "five\n"], "{kind}");
    }
}

#[test]
fn a_torn_line_is_counted_and_the_next_line_begins_a_new_one() {
    let world = World::new();
    world.step(Ok(6));
    world.step(Err(ErrorKind::StorageFull));
    world.write("one\ntwo\nthree\n");
    assert!(world.log.flush(LONG));
    world.write("four\n");
    let written = world.end().concat();
    assert_eq!(written, "one\ntw\nlost 2\nfour\n");
}

#[test]
fn a_write_that_is_interrupted_would_block_or_is_short_is_continued() {
    let world = World::new();
    for step in [
        Err(ErrorKind::Interrupted),
        Err(ErrorKind::WouldBlock),
        Ok(2),
        Err(ErrorKind::WouldBlock),
    ] {
        world.step(step);
    }
    world.write("one\ntwo\n");
    world.step(Ok(100));
    assert!(world.log.flush(LONG));
    assert_eq!(world.end(), ["on", "e\ntwo\n"]);
}

#[test]
fn a_flush_waits_for_what_was_queued_before_it_and_no_longer_than_its_limit() {
    let world = World::new();
    assert!(world.log.flush(Duration::ZERO));
    world.write("one\n");
    for limit in [1, 2] {
        assert!(!world.log.flush(Duration::from_millis(limit)));
        assert_eq!(
            world.log.shared.lock().waited.as_millis(),
            u128::from(limit)
        );
    }
    // As good as forever, for a test that ends only if no call waits.
    world.log.shared.lock().waited = LONG;
    for _ in 0..1_000 {
        assert!(!world.log.flush(LONG));
    }
    world.step(Ok(100));
    assert_eq!(world.written.recv_timeout(LONG).unwrap(), "one\n");
    world.step(Ok(100));
    world.write("two\n");
    while !world.log.flush(LONG) {
        thread::yield_now();
    }
    assert_eq!(world.end(), ["two\n"]);
}

#[test]
fn a_dropped_writer_ends_its_thread() {
    let world = World::new();
    world.step(Ok(100));
    world.write("one\n");
    assert!(world.log.flush(LONG));
    assert!(world.log.flush(LONG));
    // Ends only when the thread drops its output.
    assert_eq!(world.end(), ["one\n"]);

    // An output that always would block does not keep the thread alive.
    let world = World::new();
    for _ in 0..100_000 {
        world.step(Err(ErrorKind::WouldBlock));
    }
    world.write("one\n");
    let World {
        log,
        written,
        steps,
    } = world;
    drop(log);
    assert_eq!(written.iter().next(), None);
    drop(steps);
}
