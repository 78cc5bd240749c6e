//! `fusegate check`: contracts, policies, overrides and objects, validated offline.
//!
//! It reads files exactly as the directory source does and judges them with the same
//! code as the running controller, so what is clean here is accepted there.

mod finding;
pub(crate) mod input;
mod judge;
mod mesh;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;

const EXAMPLE: &str = "\
Examples:
  fusegate check contract.yaml policies/ checkout.yaml
  kubectl get cctr,cpol,storefronts -A -o yaml | fusegate check -

A policy is checked against its contract, and an object against the contract of its kind,
so give their files together. Each problem is one line:

  FILE:DOCUMENT KIND NAMESPACE/NAME: FIELD: what is wrong and what to do

Exit code: 0 without a problem, 1 with any, 2 when something can't be read.";

/// Options of `fusegate check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Check {
    /// Files of YAML or JSON documents, directories of them, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Why nothing could be said about the files.
#[derive(Debug, thiserror::Error)]
pub enum CheckFailure {
    /// A file can't be read.
    #[error("{name}: can't be read; give a file or directory that exists and is readable")]
    Read {
        /// The file as it was given, or found in a directory.
        name: String,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// A directory can't be listed whole.
    #[error("{0}")]
    List(String),
    /// The output is closed or full.
    #[error("writing the problems")]
    Write(#[from] io::Error),
}

impl Check {
    /// Writes one line per problem, then a summary; answers whether there was none.
    ///
    /// # Errors
    ///
    /// When a file can't be read, or the output not be written. Text that is no YAML is a problem instead.
    pub fn print(&self, out: &mut impl Write) -> Result<bool, CheckFailure> {
        self.print_from(io::stdin().lock(), out)
    }

    fn print_from(&self, stdin: impl Read, out: &mut impl Write) -> Result<bool, CheckFailure> {
        let input = input::read(&self.files, stdin)?;
        let findings = judge::judge(&input);
        for finding in &findings {
            writeln!(out, "{finding}")?;
        }
        let documents = counted(input.documents.len(), "document");
        let problems = counted(findings.len(), "problem");
        writeln!(out, "{documents}, {problems}")?;
        Ok(findings.is_empty())
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests;
