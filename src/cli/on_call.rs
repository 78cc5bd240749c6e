//! The commands of an engineer on call: how circuits stand, why, and what to do about it.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::explain::{Explain, Unexplained};
use crate::cli::gate::{Gate, Unanswerable};
use crate::cli::order::{Hold, Release, Trip, Unordered};
use crate::cli::status::{Status, Untold};

/// What is asked or ordered.
#[derive(Debug, Subcommand)]
pub enum OnCall {
    /// Tell how the circuits stand.
    Status(Status),
    /// Tell the story of a trip: what broke, and what was done about it.
    Explain(Explain),
    /// Ask a gate, and end with a code for what it answers.
    Gate(Gate),
    /// Force circuits Closed for a while: what is on the way passes, whatever is reported.
    Hold(Hold),
    /// Force circuits Open for a while: traffic is shed, whatever is reported.
    Trip(Trip),
    /// End what `hold` and `trip` ordered.
    Release(Release),
}

/// Why it was not told or done.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The circuits.
    #[error(transparent)]
    Status(#[from] Untold),
    /// A trip.
    #[error(transparent)]
    Explain(#[from] Unexplained),
    /// A gate.
    #[error(transparent)]
    Gate(#[from] Unanswerable),
    /// An order.
    #[error(transparent)]
    Order(#[from] Unordered),
}

impl OnCall {
    /// Tells or does it, and gives the exit code.
    ///
    /// # Errors
    ///
    /// When it was not told or done.
    pub async fn print(&self, out: &mut impl Write) -> Result<ExitCode, Failed> {
        match self {
            Self::Status(status) => status.print(out).await?,
            Self::Explain(explain) => explain.print(out).await?,
            Self::Gate(gate) => return Ok(gate.print(out).await?),
            Self::Hold(hold) => hold.print(out).await?,
            Self::Trip(trip) => trip.print(out).await?,
            Self::Release(release) => release.print(out).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
