//! The reader: the lines of a recording in order, as far as it can be replayed.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;

use crate::recording::line::{FORMAT, Gap, Header, Line, MOST_BYTES, Turn, Why};

/// The longest line: a turn is never larger than the bound of what waits to be written.
const LONGEST: u64 = 2 * MOST_BYTES as u64;

/// Why a recording can't be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum Reading {
    /// The file system.
    #[error("line {line}: reading the recording")]
    Read {
        /// The next line.
        line: u64,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// There is no complete line.
    #[error(
        "the recording is empty: nothing was recorded, or the process ended before its first line"
    )]
    Empty,
    /// It is not a recording.
    #[error("line 1: not a recording; give a file written by `fusegate run --record FILE`")]
    Foreign,
    /// It is in another format.
    #[error(
        "line 1: this recording is in format {format}, written by fusegate {version}, and this is fusegate {}, \
         which reads format {FORMAT}; replay it with fusegate {version}",
        env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// The format it is in.
        format: u32,
        /// Who wrote it.
        version: String,
    },
    /// A complete line is invalid.
    #[error(
        "line {line}: not a line of a recording; the file was changed or damaged, and the rest can't be replayed"
    )]
    Malformed {
        /// Which.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line is too long for any recording.
    #[error("line {line} has more than {LONGEST} bytes; no line of a recording is that long")]
    Endless {
        /// Which.
        line: u64,
    },
    /// Turns are missing here.
    #[error(
        "line {line}: {turns} turns are missing here, because the recording could not be written fast enough \
         (fusegate_recorded_turns_dropped_total); the rest can't be replayed"
    )]
    Gap {
        /// The line that says so.
        line: u64,
        /// How many.
        turns: u64,
    },
    /// A turn is out of order.
    #[error(
        "line {line}: found turn {found}, expected turn {expected}; lines were removed or moved"
    )]
    Order {
        /// Which line.
        line: u64,
        /// The turn it should be.
        expected: u64,
        /// The turn it is.
        found: u64,
    },
    /// Something follows the closing line.
    #[error(
        "line {line}: there is content after the closing line; if several recordings were joined, replay each on its own"
    )]
    Beyond {
        /// The first line after it.
        line: u64,
    },
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its closing line.
    Closed(Why),
    /// With a complete line, but without the closing one.
    Open,
    /// Within a line, after this many bytes of it.
    Torn(usize),
}

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    header: Header,
    line: u64,
    turns: u64,
    text: Vec<u8>,
    ending: Option<Ending>,
}

/// The part of the header that all formats share.
#[derive(Deserialize)]
struct Opening {
    recording: Stamp,
}

#[derive(Deserialize)]
struct Stamp {
    format: u32,
    version: String,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// When there is none, or it is in another format.
    pub fn open(source: R) -> Result<Self, Reading> {
        let mut reader = Self {
            source,
            header: Header {
                format: FORMAT,
                version: String::new(),
                cluster: String::new(),
                link: String::new(),
                namespace: String::new(),
                shard: None,
                rules: 0,
                began: None,
            },
            line: 0,
            turns: 0,
            text: Vec::new(),
            ending: None,
        };
        if !reader.advance()? {
            return Err(Reading::Empty);
        }
        let opening: Opening =
            serde_json::from_slice(&reader.text).map_err(|_| Reading::Foreign)?;
        let Stamp { format, version } = opening.recording;
        if format != FORMAT {
            return Err(Reading::Format { format, version });
        }
        match reader.parse()? {
            Line::Recording(header) => reader.header = header,
            _ => return Err(Reading::Foreign),
        }
        Ok(reader)
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next turn; `None` at the end, see [`Reader::ending`].
    ///
    /// # Errors
    ///
    /// When the recording can't be read or replayed any further.
    pub fn turn(&mut self) -> Result<Option<Turn>, Reading> {
        if self.ending.is_some() || !self.advance()? {
            return Ok(None);
        }
        let line = self.line;
        match self.parse()? {
            Line::Turn(turn) if turn.number == self.turns + 1 => {
                self.turns += 1;
                Ok(Some(*turn))
            }
            Line::Turn(turn) => Err(Reading::Order {
                line,
                expected: self.turns + 1,
                found: turn.number,
            }),
            Line::Gap(Gap { turns }) => Err(Reading::Gap { line, turns }),
            Line::End(end) => {
                if self.advance()? || !self.text.is_empty() {
                    return Err(Reading::Beyond { line: line + 1 });
                }
                self.ending = Some(Ending::Closed(end.why));
                Ok(None)
            }
            Line::Recording(_) => Err(Reading::Order {
                line,
                expected: self.turns + 1,
                found: 0,
            }),
        }
    }

    /// How it ends; valid once [`Reader::turn`] has returned `None`.
    pub fn ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Open)
    }

    /// The bytes of the last line.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Reads the next complete line; false if there is none.
    fn advance(&mut self) -> Result<bool, Reading> {
        let line = self.line + 1;
        self.text.clear();
        let mut source = (&mut self.source).take(LONGEST);
        source
            .read_until(b'\n', &mut self.text)
            .map_err(|source| Reading::Read { line, source })?;
        if self.text.pop_if(|last| *last == b'\n').is_some() {
            self.line = line;
            return Ok(true);
        }
        match self.text.len() {
            0 => self.ending = Some(Ending::Open),
            length if length as u64 == LONGEST => return Err(Reading::Endless { line }),
            length => self.ending = Some(Ending::Torn(length)),
        }
        Ok(false)
    }

    fn parse(&self) -> Result<Line, Reading> {
        serde_json::from_slice(&self.text).map_err(|source| Reading::Malformed {
            line: self.line,
            source,
        })
    }
}

#[cfg(test)]
mod tests;
