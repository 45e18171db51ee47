//! The parser: a state machine over the body's bytes.

use bytes::{Buf, Bytes};
use memchr::memchr;

use crate::boundary::Boundary;
use crate::delimiter::{DelimiterSearch, Found};
use crate::error::Error;
use crate::head::{HeadBuilder, PartHead};
use crate::parameters::trim_start;

/// The greatest number of bytes outside the file: preamble, delimiters, the part's header and white
/// space behind the last boundary.
pub const MAX_OVERHEAD: usize = 16 << 10;

/// The greatest number of header fields of the part.
pub const MAX_FIELDS: usize = 32;

/// What the body contains, in this order: one `Head`, any number of `Data`, one `End`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The part's header.
    Head(PartHead),
    /// Bytes of the file: a slice of the input, never empty.
    Data(Bytes),
    /// The end of the file. Only white space may follow until the end of the body.
    End,
}

/// Parses the body of one request.
///
/// Pass each chunk of the body to [`parse`](Self::parse) until it returns `None`, and call
/// [`finish`](Self::finish) at the end of the body. Only then is the deposit valid: a body that is
/// cut short has no error before.
#[derive(Debug, Clone)]
#[must_use = "a body that was not parsed to its end may be invalid"]
pub struct Parser {
    name: &'static str,
    state: State,
    /// The received beginning of a line outside the file.
    line: Vec<u8>,
    /// How many bytes outside the file were received.
    overhead: usize,
    head: HeadBuilder,
    search: DelimiterSearch,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before the first delimiter. A delimiter is valid only behind a CRLF or at the beginning.
    Preamble { after_crlf: bool },
    /// In the part's header.
    Header,
    /// In the file.
    Data,
    /// Behind the delimiter that ends the file, and behind one hyphen of the two that end the form.
    Delimiter { hyphen: bool },
    /// Behind the last boundary.
    Epilogue,
    /// Behind an error.
    Failed(Error),
}

impl Parser {
    /// Expects a part that is named `file`.
    pub fn new(boundary: &Boundary) -> Self {
        Self {
            name: "file",
            state: State::Preamble { after_crlf: true },
            line: Vec::new(),
            overhead: 0,
            head: HeadBuilder::default(),
            search: DelimiterSearch::new(boundary),
        }
    }

    /// Sets the name that the part must have.
    pub fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Parses bytes from the front of `input` up to the next event, and removes them.
    ///
    /// Returns `None` once `input` is empty and the next chunk is needed.
    ///
    /// # Errors
    ///
    /// Fails at the first byte that makes the body invalid, however the body is split into chunks.
    /// After an error each call returns the same error.
    pub fn parse(&mut self, input: &mut Bytes) -> Result<Option<Event>, Error> {
        let result = self.step(input);
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// Fails if the body was refused before, or ends before its last boundary.
    pub fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Epilogue => Ok(()),
            State::Failed(error) => Err(error),
            _ => Err(Error::Truncated),
        }
    }

    fn step(&mut self, input: &mut Bytes) -> Result<Option<Event>, Error> {
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        while !input.is_empty() {
            let event = match self.state {
                State::Preamble { after_crlf } => {
                    if self.take_line(input)? {
                        self.preamble_line(after_crlf)?;
                    }
                    None
                }
                State::Header => {
                    let complete = self.take_line(input)?;
                    complete.then(|| self.header_line()).transpose()?.flatten()
                }
                State::Data => self.file_bytes(input)?,
                State::Delimiter { hyphen } => self.end_of_delimiter(hyphen, input)?,
                State::Epilogue => {
                    self.epilogue(input)?;
                    None
                }
                State::Failed(error) => return Err(error),
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// Counts bytes outside the file.
    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.overhead = self.overhead.saturating_add(bytes);
        if self.overhead > MAX_OVERHEAD {
            return Err(Error::TooMuchOverhead);
        }
        Ok(())
    }

    /// Moves bytes from the input to `line`, up to a line feed. Returns whether the line is
    /// complete.
    fn take_line(&mut self, input: &mut Bytes) -> Result<bool, Error> {
        // The input may be long, and a line feed behind the limit does not matter.
        let limit = input.len().min(MAX_OVERHEAD);
        let end = memchr(b'\n', &input[..limit]);
        let length = end.map_or(input.len(), |at| at + 1);
        self.count(length)?;
        self.line.extend_from_slice(&input[..length]);
        input.advance(length);
        Ok(end.is_some())
    }

    fn preamble_line(&mut self, after_crlf: bool) -> Result<(), Error> {
        let Some(at) = self.search.finder().find(&self.line) else {
            let after_crlf = self.line.ends_with(b"\r\n");
            self.state = State::Preamble { after_crlf };
            self.line.clear();
            return Ok(());
        };
        if at > 0 {
            return Err(Error::MisplacedDelimiter);
        }
        if !after_crlf {
            return Err(Error::BareLineBreak);
        }
        let rest = &self.line[self.search.dashed().len()..];
        if rest.starts_with(b"--") {
            return Err(Error::NoPart);
        }
        // RFC 2046, section 5.1.1: `transport-padding`, added on the way.
        match trim_start(rest) {
            b"\r\n" => {}
            b"\n" => return Err(Error::BareLineBreak),
            _ => return Err(Error::MalformedDelimiter),
        }
        self.state = State::Header;
        self.line.clear();
        Ok(())
    }

    fn header_line(&mut self) -> Result<Option<Event>, Error> {
        let line = self.line.strip_suffix(b"\r\n");
        let line = line.ok_or(Error::BareLineBreak)?;
        if line.contains(&b'\r') {
            return Err(Error::BareLineBreak);
        }
        if !line.is_empty() {
            self.head.add_line(line)?;
            self.line.clear();
            return Ok(None);
        }
        let head = std::mem::take(&mut self.head).finish(self.name)?;
        self.line = Vec::new();
        self.state = State::Data;
        Ok(Some(Event::Head(head)))
    }

    fn file_bytes(&mut self, input: &mut Bytes) -> Result<Option<Event>, Error> {
        Ok(match self.search.next(input)? {
            Found::Data(bytes) => Some(Event::Data(bytes)),
            Found::NeedsInput => None,
            Found::Delimiter => {
                self.count(2 + self.search.dashed().len())?;
                self.state = State::Delimiter { hyphen: false };
                None
            }
        })
    }

    fn end_of_delimiter(
        &mut self,
        hyphen: bool,
        input: &mut Bytes,
    ) -> Result<Option<Event>, Error> {
        let byte = input.get_u8();
        self.count(1)?;
        match (hyphen, byte) {
            (false, b'-') => {
                self.state = State::Delimiter { hyphen: true };
                Ok(None)
            }
            (true, b'-') => {
                self.state = State::Epilogue;
                Ok(Some(Event::End))
            }
            (false, b' ' | b'\t' | b'\r') => Err(Error::MoreThanOnePart),
            (false, b'\n') => Err(Error::BareLineBreak),
            _ => Err(Error::MalformedDelimiter),
        }
    }

    fn epilogue(&mut self, input: &mut Bytes) -> Result<(), Error> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let blanks = input.iter().take_while(|byte| blank(byte));
        let blanks = blanks.take(MAX_OVERHEAD + 1).count();
        self.count(blanks)?;
        if blanks < input.len() {
            return Err(Error::TrailingBytes);
        }
        input.clear();
        Ok(())
    }
}
