//! `fusegate diff`: what changes between two schemas of a CRD, and what that may harm.

mod report;

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::cli::definition::{Given, Undefined};
use crate::cli::diff::report::Report;
use crate::cli::store::StoreOptions;
use crate::cli::style::Colours;

pub use report::FailOn;

const EXAMPLE: &str = "\
Examples:
  fusegate diff old.yaml new.yaml                  two files, or directories of files, with CRDs
  git show main:crd.yaml | fusegate diff - crd.yaml
  fusegate diff CRD@live crd.yaml                  what applying a file would change
  fusegate diff CRD@live CRD@3                     what going back to revision 3 would change

Each change has a class and the rule that judged it:
  Safe           no stored object and no client is harmed
  Conditional    harmless under the condition that is named
  Unsafe         harmful whatever objects there are, or refused by the API server
  NotUnderstood  no rule knows it, so it counts as worse than unsafe

Exit code: 0 when all is milder than --fail-on, 1 otherwise, 2 when something can't be read.";

/// Options of `fusegate diff`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Diff {
    /// The schema to come from: a file, a directory, `-`, `CRD@live`, or `CRD@REVISION`.
    #[arg(value_name = "OLD")]
    pub old: Given,

    /// The schema to go to.
    #[arg(value_name = "NEW")]
    pub new: Given,

    /// The mildest class that makes the exit code 1.
    #[arg(long, default_value = "conditional", value_name = "CLASS")]
    pub fail_on: FailOn,

    /// How the changes are told.
    #[arg(long, short, default_value = "text", value_name = "FORMAT")]
    pub output: Format,

    /// Where revisions and live CRDs are.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// How the changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum DiffFailure {
    /// A side can't be read.
    #[error(transparent)]
    Side(#[from] Undefined),
    /// The output is closed or full.
    #[error("writing the changes")]
    Write(#[from] io::Error),
    /// The output, as JSON.
    #[error("writing the changes as JSON")]
    Encode(#[from] serde_json::Error),
}

impl Diff {
    /// Writes the changes; answers whether all are milder than `--fail-on`.
    ///
    /// # Errors
    ///
    /// When a side can't be read, or the output not be written.
    pub async fn print(&self, colours: Colours, out: &mut impl Write) -> Result<bool, DiffFailure> {
        let old = self.old.by_name(&self.store, io::stdin().lock()).await?;
        let new = self.new.by_name(&self.store, io::stdin().lock()).await?;
        let report = Report::of(&old, &new);
        match self.output {
            Format::Text => report.write(colours, out)?,
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &report.json())?;
                writeln!(out)?;
            }
        }
        Ok(!report.fails(self.fail_on))
    }
}

#[cfg(test)]
mod tests;
