//! The search for the delimiter that ends the file: CRLF, two hyphens and the boundary (RFC 2046,
//! section 5.1.1).

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;
use memchr::{memchr2, memrchr2};

use crate::boundary::Boundary;
use crate::error::Error;

/// Finds the delimiter in the bytes of the file, in chunks of any length.
///
/// Each byte is searched once. Nothing is copied or allocated: bytes that may begin a delimiter at
/// the end of a chunk are only counted, and restored from the delimiter itself if they did not.
#[derive(Debug, Clone)]
pub(crate) struct DelimiterSearch {
    /// Finds `--boundary`.
    finder: Finder<'static>,
    /// `\r\n--boundary\r--boundary`: held bytes are slices of it.
    pattern: Bytes,
    /// The length of `--boundary`.
    dashed_len: usize,
    /// The beginning of a delimiter at the end of the last chunk.
    held: Option<Held>,
}

/// A line break and the first `matched` bytes of `--boundary` behind it.
#[derive(Debug, Clone, Copy)]
struct Held {
    line_break: LineBreak,
    matched: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineBreak {
    /// The empty line that ends the header, which is not part of the file.
    Header,
    Cr,
    Lf,
    CrLf,
}

/// The next step of the search.
#[derive(Debug)]
pub(crate) enum Found {
    /// Bytes of the file, never empty.
    Data(Bytes),
    /// The delimiter. It was removed from the input.
    Delimiter,
    /// Nothing: the input is used up.
    NeedsInput,
}

impl DelimiterSearch {
    /// Starts behind the empty line that ends the part's header.
    pub(crate) fn new(boundary: &Boundary) -> Self {
        let dashed = [b"--", boundary.as_bytes()].concat();
        Self {
            finder: Finder::new(&dashed).into_owned(),
            pattern: [b"\r\n", &dashed[..], b"\r", &dashed].concat().into(),
            dashed_len: dashed.len(),
            held: Some(Held {
                line_break: LineBreak::Header,
                matched: 0,
            }),
        }
    }

    /// Returns `--boundary`.
    pub(crate) fn dashed(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Returns the finder for `--boundary`.
    pub(crate) fn finder(&self) -> &Finder<'static> {
        &self.finder
    }

    /// Takes the next piece from the front of the input.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Found, Error> {
        match self.held.take() {
            Some(held) => self.continue_held(held, input),
            None => self.search(input),
        }
    }

    fn continue_held(&mut self, mut held: Held, input: &mut Bytes) -> Result<Found, Error> {
        if held.line_break == LineBreak::Cr && held.matched == 0 && input.first() == Some(&b'\n') {
            held.line_break = LineBreak::CrLf;
            input.advance(1);
        }
        let missing = &self.dashed()[held.matched..];
        let pairs = missing.iter().zip(input.iter());
        let matched = pairs.take_while(|(wanted, byte)| wanted == byte).count();
        input.advance(matched);
        held.matched += matched;
        if held.matched == self.dashed_len {
            if held.line_break == LineBreak::CrLf {
                return Ok(Found::Delimiter);
            }
            if input.first().is_some_and(|byte| ends_delimiter(*byte)) {
                return Err(match held.line_break {
                    LineBreak::Header => Error::MisplacedDelimiter,
                    _ => Error::BareLineBreak,
                });
            }
        }
        if input.is_empty() {
            self.held = Some(held);
            return Ok(Found::NeedsInput);
        }
        let data = self.restore(held);
        if data.is_empty() {
            return self.search(input);
        }
        Ok(Found::Data(data))
    }

    /// Returns the bytes that `held` stands for.
    fn restore(&self, held: Held) -> Bytes {
        let start = match held.line_break {
            LineBreak::CrLf => 0,
            LineBreak::Lf => 1,
            LineBreak::Header => 2,
            LineBreak::Cr => {
                let start = 2 + self.dashed_len;
                return self.pattern.slice(start..=start + held.matched);
            }
        };
        self.pattern.slice(start..2 + held.matched)
    }

    /// Searches input whose first byte does not follow a line break, or is one itself.
    fn search(&mut self, input: &mut Bytes) -> Result<Found, Error> {
        let mut from = 0;
        while let Some(found) = self.finder.find(&input[from..]) {
            let at = from + found;
            match &input[..at] {
                [.., b'\r', b'\n'] => {
                    if at > 2 {
                        return Ok(Found::Data(input.split_to(at - 2)));
                    }
                    input.advance(2 + self.dashed_len);
                    return Ok(Found::Delimiter);
                }
                [.., b'\r' | b'\n'] if input.get(at + self.dashed_len).is_none() => break,
                [.., b'\r' | b'\n'] if ends_delimiter(input[at + self.dashed_len]) => {
                    return Err(Error::BareLineBreak);
                }
                // Data. The next delimiter follows a line break.
                _ => match memchr2(b'\r', b'\n', &input[at..]) {
                    Some(line_break) => from = at + line_break,
                    None => return Ok(Found::Data(std::mem::take(input))),
                },
            }
        }
        self.hold_back(input);
        if input.is_empty() {
            return Ok(Found::NeedsInput);
        }
        Ok(Found::Data(std::mem::take(input)))
    }

    /// Removes the beginning of a delimiter from the end of the input. It starts at the last line
    /// break, since a boundary has none.
    ///
    /// With a bare line break the whole delimiter is held too: the next byte decides.
    fn hold_back(&mut self, input: &mut Bytes) {
        let window = input.len().saturating_sub(self.dashed_len + 1);
        let Some(at) = memrchr2(b'\r', b'\n', &input[window..]) else {
            return;
        };
        let at = window + at;
        let matched = input.len() - at - 1;
        if !self.dashed().starts_with(&input[at + 1..]) {
            return;
        }
        let (line_break, start) = match &input[..=at] {
            [.., b'\r', b'\n'] => (LineBreak::CrLf, at - 1),
            [.., b'\n'] => (LineBreak::Lf, at),
            _ => (LineBreak::Cr, at),
        };
        input.truncate(start);
        self.held = Some(Held {
            line_break,
            matched,
        });
    }
}

/// Returns whether lenient parsers take a delimiter behind a bare line break for a real one if this
/// byte follows. Such a file would have two readings.
fn ends_delimiter(byte: u8) -> bool {
    byte == b'-' || matches!(byte, b' ' | b'\t'..=b'\r')
}
