//! Reads the lines of files in the order of their chain, and compares each with the one before.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use crate::damage::{Damage, DamageKind};
use crate::hash::LineHash;
use crate::line::{MAX_LINE, ParsedLine, Position, VERSION};

/// The maximum number of damages that are kept. More say nothing new.
const MAX_DAMAGES: usize = 1_000;

/// Reads the files of one chain.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The id of the chain.
    pub(crate) chain: Option<String>,
    /// The last line that could be read. `None` before the first line, and after one that could not be read.
    pub(crate) last: Option<Position>,
    /// The number of the first line in the chain.
    pub(crate) first: Option<u64>,
    pub(crate) lines: u64,
    pub(crate) damages: Vec<Damage>,
    /// The hashes that were not found yet.
    pub(crate) heads: HashSet<LineHash>,
}

/// What a file has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The length of all complete lines.
    pub(crate) complete: u64,
    /// The length of what follows the last line feed.
    pub(crate) torn: u64,
}

impl Scan {
    /// Reads the next file of the chain.
    pub(crate) fn read(&mut self, file: &str, reader: &mut dyn BufRead) -> io::Result<Extent> {
        let mut extent = Extent {
            complete: 0,
            torn: 0,
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let limit = MAX_LINE as u64 + 1;
            if (&mut *reader).take(limit).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let read = line.len() as u64;
            if line.pop_if(|byte| *byte == b'\n').is_some() {
                extent.complete += read;
                self.line(file, number, &line);
            } else if read == limit {
                let (more, ended) = skip_line(reader)?;
                if ended {
                    extent.complete += read + more;
                    self.unreadable(file, number, DamageKind::Unreadable);
                } else {
                    extent.torn = read + more;
                }
            } else {
                extent.torn = read;
            }
            if extent.torn > 0 {
                self.damage(file, number, DamageKind::Torn);
            }
        }
        Ok(extent)
    }

    fn line(&mut self, file: &str, number: u64, line: &[u8]) {
        self.lines += 1;
        let hash = LineHash::of(line);
        self.heads.remove(&hash);
        let Some(parsed) = ParsedLine::parse(line) else {
            return self.unreadable(file, number, DamageKind::Unreadable);
        };
        if parsed.v != VERSION {
            return self.unreadable(file, number, DamageKind::UnknownVersion);
        }
        if number == 1 {
            self.first_of_file(file, &parsed);
        }
        self.compare(file, number, &parsed);
        self.first.get_or_insert(parsed.seq);
        self.last = Some(Position {
            seq: parsed.seq,
            hash,
        });
    }

    /// Checks that a file begins with the line that a writer begins it with.
    fn first_of_file(&mut self, file: &str, parsed: &ParsedLine<'_>) {
        let found = parsed.chain_of_first();
        if found.is_none()
            || self
                .chain
                .as_deref()
                .is_some_and(|chain| found != Some(chain))
        {
            self.damage(file, 1, DamageKind::NotAStart);
        } else if self.chain.is_none() {
            self.chain = found.map(str::to_owned);
        }
        // The lines before it may be in files that were not given. The first line of all has none before it.
        let is_begin = parsed.event == "begin";
        let is_first_of_all = parsed.seq == 0 && parsed.prev() == Some(LineHash::ZERO);
        if is_begin != is_first_of_all {
            self.damage(file, 1, DamageKind::Changed);
        }
    }

    fn compare(&mut self, file: &str, number: u64, parsed: &ParsedLine<'_>) {
        let Some(last) = self.last else {
            return;
        };
        let follows = parsed.seq.checked_sub(last.seq);
        match follows {
            Some(1) if parsed.prev() == Some(last.hash) => {}
            // The hash is of the line before, which the damage names. If the hash itself was changed, the next line shows
            // that this line was changed, too.
            Some(1) if number > 1 => self.damage(file, number - 1, DamageKind::Changed),
            Some(1) => self.damage(file, number, DamageKind::Changed),
            Some(0) | None => self.damage(file, number, DamageKind::OutOfOrder),
            Some(more) => self.damage(file, number, DamageKind::Missing(more - 1)),
        }
    }

    /// Records a line that cannot be compared with the next one.
    fn unreadable(&mut self, file: &str, number: u64, kind: DamageKind) {
        self.last = None;
        self.damage(file, number, kind);
    }

    fn damage(&mut self, file: &str, line: u64, kind: DamageKind) {
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(Damage {
                file: file.to_owned(),
                line,
                kind,
            });
        }
    }
}

/// Skips the rest of a line. Returns its length, and whether it has an end.
pub(crate) fn skip_line(reader: &mut dyn BufRead) -> io::Result<(u64, bool)> {
    let mut skipped = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok((skipped, false));
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(length);
        skipped += length as u64;
        if end.is_some() {
            return Ok((skipped, true));
        }
    }
}
