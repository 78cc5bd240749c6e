//! A failure: why nothing was simulated.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::check::CheckFailure;
use crate::cli::format::Unwritten;
use crate::recording::reader::Reading;
use crate::source::prometheus::Unreachable;

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateFailure {
    /// The policy's files can't be read.
    #[error(transparent)]
    Files(#[from] CheckFailure),
    /// They have problems.
    #[error("correct these first, as `fusegate check` tells them:\n{0}")]
    Problems(String),
    /// They have not one policy.
    #[error("{0}")]
    Policy(String),
    /// The observations can't be read.
    #[error("{}: can't be read; give a file that exists and is readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// A place in the observations is wrong.
    #[error("{place}: {problem}")]
    Observations {
        /// File, line and column.
        place: String,
        /// What is wrong there, and what to do.
        problem: String,
    },
    /// A recording can't be read to its end.
    #[error("{}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Reading,
    },
    /// Prometheus can't be reached as the options say.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// Prometheus did not answer.
    #[error("the query of key \"{key}\": {why}")]
    Query {
        /// The key of the contract.
        key: String,
        /// Why.
        why: String,
    },
    /// An option does not fit the others.
    #[error("{0}")]
    Option(String),
    /// The plot can't be written.
    #[error("writing the plot {}", path.display())]
    Plot {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
}

impl SimulateFailure {
    /// What is wrong in a file as a whole.
    pub(super) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::Observations {
            place: path.display().to_string(),
            problem: problem.into(),
        }
    }
}
