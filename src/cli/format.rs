//! The format of a command's answer: a table for people, or the whole document for machines.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For people, with everything that fits on a line.
    Wide,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Why an answer was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The output is closed or full.
    #[error("writing the answer")]
    Write(#[from] io::Error),
    /// As JSON.
    #[error("writing the answer as JSON")]
    Json(#[from] serde_json::Error),
    /// As YAML.
    #[error("writing the answer as YAML: {0}")]
    Yaml(String),
}

impl Format {
    /// Writes a document, if that is what is asked for; else false, and the caller writes it for people.
    pub(crate) fn document(
        self,
        document: &Value,
        out: &mut impl Write,
    ) -> Result<bool, Unwritten> {
        match self {
            Self::Table | Self::Wide => return Ok(false),
            Self::Json => {
                serde_json::to_writer_pretty(&mut *out, document)?;
                writeln!(out)?;
            }
            Self::Yaml => {
                let text = serde_saphyr::to_string(document);
                let text = text.map_err(|error| Unwritten::Yaml(error.to_string()))?;
                out.write_all(text.as_bytes())?;
            }
        }
        Ok(true)
    }
}
