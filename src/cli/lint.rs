//! `fusegate lint`: what in the schemas of CRDs lets objects grow without end, or breaks those who use them.

mod json;
mod line;
mod mend;
mod sarif;
mod text;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use clap::{Args, ValueEnum};

use crate::cli::definition::{Definition, Given, Undefined};
use crate::cli::store::{StoreOptions, Unread};
use crate::cli::style::Colours;
use crate::lint::{Finding, Report, Rule, lint};

const EXAMPLE: &str = "\
Examples:
  fusegate lint config/crd/                        every CRD in the files of a directory
  fusegate lint CRD@live                           one as it is served now
  fusegate lint --cluster --output json            all that are served
  fusegate lint crd.yaml --ratchet old.yaml        only what is new since an older file
  git show main:crd.yaml | fusegate lint crd.yaml --ratchet -
  fusegate lint crd.yaml --fix                     writes the patches into the file

Exit code: 0 without a finding, 1 with any, 2 when something can't be read.";

/// Options of `fusegate lint`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Lint {
    /// Files or directories with CRDs, `-` for standard input, `CRD@live`, or `CRD@REVISION`.
    #[arg(required_unless_present = "cluster", value_name = "FILE")]
    pub given: Vec<Given>,

    /// Lint every CRD of the store.
    #[arg(long, conflicts_with = "given")]
    pub cluster: bool,

    /// Show only what this does not have already: a file, a directory, `-`, `CRD@live`, or `CRD@REVISION`.
    #[arg(long, value_name = "BASE")]
    pub ratchet: Option<Given>,

    /// Write the patches into the files. A document that is mended loses its comments.
    #[arg(long, conflicts_with_all = ["cluster", "ratchet"])]
    pub fix: bool,

    /// How the findings are told.
    #[arg(long, short, default_value = "text", value_name = "FORMAT")]
    pub output: Format,

    /// Where live CRDs and revisions are.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// How the findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, a line for each finding.
    Text,
    /// One JSON document, patches and prices of CEL rules included.
    Json,
    /// SARIF 2.1.0, as code hosts show it beside the lines.
    Sarif,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum LintFailure {
    /// A definition can't be read.
    #[error(transparent)]
    Given(#[from] Undefined),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] Unread),
    /// A file can't be mended.
    #[error("mending {0}")]
    Fix(String, #[source] io::Error),
    /// A definition can't be mended where it is.
    #[error("{0} can't be mended: give a file in which it is a document of its own")]
    NoFile(String),
    /// The output is closed or full.
    #[error("writing the findings")]
    Write(#[from] io::Error),
    /// The output, as JSON.
    #[error("writing the findings as JSON")]
    Encode(#[from] serde_json::Error),
}

/// A definition and what was found in it.
struct Linted {
    definition: Definition,
    report: Report,
}

impl Lint {
    /// Writes the findings; answers whether there was none.
    ///
    /// # Errors
    ///
    /// When a definition can't be read, a file not be mended, or the output not be written.
    pub async fn print(&self, colours: Colours, out: &mut impl Write) -> Result<bool, LintFailure> {
        let definitions = self.definitions().await?;
        let known = self.known().await?;
        let linted = definitions.into_iter().map(|definition| {
            let mut report = lint(&definition.spec);
            let name = definition.name.clone();
            report
                .findings
                .retain(|found| !known.contains(&identity(&name, found)));
            Linted { definition, report }
        });
        let linted: Vec<_> = linted.collect();
        if self.fix {
            return mend::mend(&linted, out);
        }
        match self.output {
            Format::Text => text::write(&linted, colours, out)?,
            Format::Json => serde_json::to_writer_pretty(&mut *out, &json::document(&linted))?,
            Format::Sarif => serde_json::to_writer_pretty(&mut *out, &sarif::log(&linted))?,
        }
        if self.output != Format::Text {
            writeln!(out)?;
        }
        Ok(linted
            .iter()
            .all(|linted| linted.report.findings.is_empty()))
    }

    async fn definitions(&self) -> Result<Vec<Definition>, LintFailure> {
        if self.cluster {
            let objects = self.store.open().await?.definitions().await?;
            let definition = |object| Definition::of(object, "the cluster".to_owned());
            return Ok(objects.iter().filter_map(definition).collect());
        }
        let mut definitions = Vec::new();
        for given in &self.given {
            definitions.extend(given.read(&self.store, stdin()).await?);
        }
        Ok(definitions)
    }

    /// What the base has already.
    async fn known(&self) -> Result<BTreeSet<Identity>, LintFailure> {
        let Some(base) = &self.ratchet else {
            return Ok(BTreeSet::new());
        };
        let mut known = BTreeSet::new();
        for definition in base.read(&self.store, stdin()).await? {
            let report = lint(&definition.spec);
            let found = report.findings.iter();
            known.extend(found.map(|found| identity(&definition.name, found)));
        }
        Ok(known)
    }
}

/// By what a finding is known again.
type Identity = (String, Rule, String);

fn identity(definition: &str, finding: &Finding) -> Identity {
    (definition.to_owned(), finding.rule, finding.path.clone())
}

fn stdin() -> impl Read {
    io::stdin().lock()
}

#[cfg(test)]
mod tests;
