//! A destination: where the audit log goes, and why it can't be opened there.

use std::io;
use std::path::PathBuf;

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, appended to. If it is moved away, a new one is created.
    File(PathBuf),
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum Audit {
    /// The file system refused.
    #[error("opening the audit log {}; name a file in an existing folder that can be written, or - for standard output", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("starting the audit log's thread")]
    Start(#[source] io::Error),
}

impl Destination {
    /// From a path as given on the command line; `-` is standard output.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if path.as_os_str() == "-" {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }
}
