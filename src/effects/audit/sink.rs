//! The sink of audit lines: a file or standard output.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::effects::audit::destination::{Audit, Destination};

/// The start of every line, by which a torn one is recognized as ours.
const START: &[u8] = b"{\"time\":\"";

/// How far back to look for a torn line: longer than any line.
const LONGEST_LINE: u64 = 1 << 20;

/// An open sink.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path. If the file is moved away, a new one is created here.
        path: PathBuf,
        /// The open file.
        file: File,
    },
}

impl Sink {
    pub(super) fn open(destination: Destination) -> Result<Self, Audit> {
        match destination {
            Destination::Stdout => Ok(Self::Stdout),
            Destination::File(path) => match open(&path).and_then(repair) {
                Ok(file) => Ok(Self::File { path, file }),
                Err(source) => Err(Audit::Open { path, source }),
            },
        }
    }

    /// Writes some of the bytes, at least one; returns their number.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
                Ok(bytes.len())
            }
            Self::File { path, file } => {
                if moved(path, file) {
                    *file = open(path)?;
                }
                match file.write(bytes)? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    written => Ok(written),
                }
            }
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .open(path)
        // A pipe or terminal may be writable without being readable.
        .or_else(|_| OpenOptions::new().append(true).create(true).open(path))
}

/// Whether log rotation has replaced or removed the open file.
fn moved(path: &Path, file: &File) -> bool {
    let Ok(open) = file.metadata() else {
        return false;
    };
    let same = |found: fs::Metadata| found.dev() == open.dev() && found.ino() == open.ino();
    open.is_file() && !fs::metadata(path).is_ok_and(same)
}

/// Cuts off our own line that a crash left unfinished; ends anyone else's unfinished line instead.
fn repair(mut file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(file);
    }
    let from = metadata.len().saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let torn = tail
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if torn.is_empty() {
        return Ok(file);
    }
    let known = START.get(..torn.len().min(START.len())).unwrap_or(START);
    if torn.starts_with(known) {
        file.set_len(metadata.len() - torn.len() as u64)?;
    } else {
        file.write_all(b"\n")?;
    }
    Ok(file)
}
