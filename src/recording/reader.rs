//! The reader: a recording's lines, in order, up to where it can be trusted.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;

use crate::recording::line::{FORMAT, Gap, Header, Line, Turn, Why};
use crate::recording::recorder::MOST_BYTES;

/// The longest line: a turn is never longer than what may wait to be written.
const LONGEST: u64 = 2 * MOST_BYTES as u64;

/// Why a recording can't be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Reading {
    /// The file system.
    #[error("line {line}: reading the recording")]
    Read {
        /// The line that was to come.
        line: u64,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// There is no whole line.
    #[error(
        "the recording is empty: nothing was recorded, or the process ended before its first line"
    )]
    Empty,
    /// It begins with something else.
    #[error(
        "line 1: this is no recording; give a file that `fusegate run --record FILE` has written"
    )]
    Foreign,
    /// It is of another time.
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
    /// A line is whole, and isn't what it should be.
    #[error(
        "line {line}: this is no line of a recording; the file was changed or damaged, and what follows can't be replayed"
    )]
    Malformed {
        /// Which.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line is too long for any recording.
    #[error("line {line} has more than {LONGEST} bytes, which no line of a recording has")]
    Endless {
        /// Which.
        line: u64,
    },
    /// Turns are missing, and the recording says so.
    #[error(
        "line {line}: {turns} turns are missing here, because the recording could not be written fast enough \
         (fusegate_recorded_turns_dropped_total); what follows can be read, but not replayed"
    )]
    Gap {
        /// The line that says so.
        line: u64,
        /// How many.
        turns: u64,
    },
    /// A turn is not the one that should come.
    #[error(
        "line {line}: turn {found} stands where turn {expected} belongs; lines were removed or put elsewhere"
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
        "line {line}: something follows the closing line; the file was put together from several, of which each must be replayed by itself"
    )]
    Beyond {
        /// The first line after it.
        line: u64,
    },
}

/// How a recording ends that has been read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its closing line.
    Closed(Why),
    /// With a whole line, without the closing one.
    Open,
    /// In the middle of a line, of which this many bytes are there.
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

/// As much of a header as every format has.
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
    /// When there is none, or it is of another format.
    pub fn open(source: R) -> Result<Self, Reading> {
        let mut reader = Self {
            source,
            header: Header {
                format: FORMAT,
                version: String::new(),
                cluster: String::new(),
                link: String::new(),
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

    /// What the run was started with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next turn; `None` at the end, which [`Reader::ending`] then knows.
    ///
    /// # Errors
    ///
    /// Where the recording can't be read or trusted further.
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

    /// How it ends, once [`Reader::turn`] has answered `None`.
    pub fn ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Open)
    }

    /// The bytes of the line that was read last.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Takes the next whole line; false when there is none.
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
