//! The output of the log, and the count of lost lines.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::Shared;

/// The maximum size of one write, unless one line is longer. A pipe does not mix writes of this size with
/// those of other programs (pipe(7)).
const PIPE_BUF: usize = 4096;

/// The pause before the next try if the output would block: another program has set `O_NONBLOCK`.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns the number of lines in a text. An unfinished line counts.
pub(super) fn lines(text: &[u8]) -> u64 {
    text.split_inclusive(|byte| *byte == b'\n').count() as u64
}

#[derive(Debug)]
pub(super) struct Sink<W, F> {
    output: W,
    lost_line: F,
    lost: u64,
    /// The last write ended within a line.
    is_torn: bool,
}

impl<W: Write, F: Fn(u64) -> String> Sink<W, F> {
    pub(super) fn new(output: W, lost_line: F) -> Self {
        Self {
            output,
            lost_line,
            lost: 0,
            is_torn: false,
        }
    }

    /// Writes a text after whose end `dropped` lines are missing.
    pub(super) fn write(&mut self, text: &[u8], dropped: u64, shared: &Shared) {
        // Lines that are lost already were before this text.
        let unwritten = match self.report(shared) {
            Ok(()) => self.write_pieces(text, shared),
            Err(_) => text,
        };
        self.lost += lines(unwritten) + dropped;
        if unwritten.is_empty() {
            // The next text reports what this cannot.
            let _ = self.report(shared);
        }
    }

    /// Writes how many lines are lost, if any are.
    fn report(&mut self, shared: &Shared) -> io::Result<()> {
        if self.lost > 0 {
            let line = (self.lost_line)(self.lost);
            if !self.write_piece(line.as_bytes(), shared).is_empty() {
                return Err(ErrorKind::Other.into());
            }
            self.lost = 0;
        }
        Ok(())
    }

    /// Writes whole lines at a time. Returns the rest if a write fails.
    fn write_pieces<'t>(&mut self, mut text: &'t [u8], shared: &Shared) -> &'t [u8] {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(piece_length(text));
            let unwritten = self.write_piece(piece, shared);
            if !unwritten.is_empty() {
                return &text[piece.len() - unwritten.len()..];
            }
            text = rest;
        }
        text
    }

    /// Writes a text. Returns the rest if a write fails.
    fn write_piece<'t>(&mut self, text: &'t [u8], shared: &Shared) -> &'t [u8] {
        // The end of a torn line is lost. The next line starts at the beginning of a line.
        if self.is_torn && !self.write_bytes(b"\n", shared).is_empty() {
            return text;
        }
        let unwritten = self.write_bytes(text, shared);
        let written = &text[..text.len() - unwritten.len()];
        self.is_torn = written.last().is_some_and(|byte| *byte != b'\n');
        unwritten
    }

    fn write_bytes<'t>(&mut self, mut bytes: &'t [u8], shared: &Shared) -> &'t [u8] {
        while !bytes.is_empty() {
            match self.output.write(bytes) {
                Ok(0) => break,
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && shared.pause(PAUSE) => {}
                Err(_) => break,
            }
        }
        bytes
    }
}

/// Returns the length of the next piece: as many whole lines as fit, or one longer line.
fn piece_length(text: &[u8]) -> usize {
    let is_break = |byte: &u8| *byte == b'\n';
    let Some((head, tail)) = text.split_at_checked(PIPE_BUF) else {
        return text.len();
    };
    match head.iter().rposition(is_break) {
        Some(at) => at + 1,
        None => {
            PIPE_BUF
                + tail
                    .iter()
                    .position(is_break)
                    .map_or(tail.len(), |at| at + 1)
        }
    }
}
