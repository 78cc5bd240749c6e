//! `fusegate check`: contracts, policies, overrides and objects, validated offline.
//!
//! It reads files with the reader of the directory source and checks them with the code of the
//! running controller, so what is clean here is accepted there.

mod checker;
mod dependencies;
mod finding;
pub(crate) mod input;
mod item;
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

Exit code: 0 without a problem, 1 with any, 2 if a file can't be read.";

/// Options of `fusegate check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Check {
    /// Files of YAML or JSON documents, directories of them, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Why the files could not be checked.
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
    /// A directory can't be listed.
    #[error("{0}")]
    List(String),
    /// The output is closed or full.
    #[error("writing the problems")]
    Write(#[from] io::Error),
}

impl Check {
    /// Writes one line per problem, then a summary; returns whether there was none.
    ///
    /// # Errors
    ///
    /// When a file can't be read, or the output can't be written. Invalid YAML or JSON is a problem, not an error.
    pub fn print(&self, out: &mut impl Write) -> Result<bool, CheckFailure> {
        self.print_from(io::stdin().lock(), out)
    }

    fn print_from(&self, stdin: impl Read, out: &mut impl Write) -> Result<bool, CheckFailure> {
        let input = input::read(&self.files, stdin)?;
        let findings = checker::check(&input);
        for finding in &findings {
            writeln!(out, "{finding}")?;
        }
        let documents = counted(input.documents.len(), "document");
        let problems = counted(findings.len(), "problem");
        writeln!(out, "{documents}, {problems}")?;
        Ok(findings.is_empty())
    }
}

/// Every problem of the input, a line each.
pub(crate) fn problems(input: &input::Input) -> Vec<String> {
    let findings = checker::check(input);
    findings.iter().map(ToString::to_string).collect()
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests;
