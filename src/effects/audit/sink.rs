//! A sink: the file or the standard output that audit lines end in.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::effects::audit::{Audit, Destination};

/// What every line starts with, by which a torn one is known as ours.
const START: &[u8] = b"{\"time\":\"";

/// How far back a torn line is looked for: longer than any line.
const LONGEST_LINE: u64 = 1 << 20;

/// An open sink.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path, where a new one is made when it has been moved away.
        path: PathBuf,
        /// What is open.
        file: File,
    },
}

impl Sink {
    pub(super) fn open(destination: Destination) -> Result<Self, Audit> {
        match destination {
            Destination::Stdout => Ok(Self::Stdout),
            Destination::File(path) => match open(&path).and_then(mend) {
                Ok(file) => Ok(Self::File { path, file }),
                Err(source) => Err(Audit::Open { path, source }),
            },
        }
    }

    /// Writes some of the bytes, at least one, and says how many.
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
        // A pipe or terminal that can't be read is still a place to write to.
        .or_else(|_| OpenOptions::new().append(true).create(true).open(path))
}

/// Whether log rotation has put another file, or none, in the open one's place.
fn moved(path: &Path, file: &File) -> bool {
    let Ok(open) = file.metadata() else {
        return false;
    };
    let same = |found: fs::Metadata| found.dev() == open.dev() && found.ino() == open.ino();
    open.is_file() && !fs::metadata(path).is_ok_and(same)
}

/// Cuts off a line that a crash left unfinished; somebody else's unfinished line is finished instead.
fn mend(mut file: File) -> io::Result<File> {
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
