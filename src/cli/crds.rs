//! `fusegate crds`: prints the CRDs.

use std::io::{self, Write};

use clap::Args;

/// Options of `fusegate crds`.
#[derive(Args, Clone, Debug)]
pub struct Crds {}

impl Crds {
    /// Writes the three CRDs as one stream of YAML documents.
    pub fn print(&self, out: &mut impl Write) -> Result<(), Print> {
        for crd in fusegate_crds::all() {
            let text = fusegate_crds::yaml(&crd)?;
            let text = text.trim_start_matches("---\n").trim_end();
            writeln!(out, "---\n{text}")?;
        }
        Ok(())
    }
}

/// Why the CRDs could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum Print {
    /// The output is closed or full.
    #[error("writing the CRDs")]
    Write(#[from] io::Error),
    /// A definition has no YAML form.
    #[error("rendering a CRD")]
    Render(#[from] fusegate_crds::Render),
}
