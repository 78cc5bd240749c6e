//! `fusegate explain`: the story of one trip, from a replica's memory, or out of an audit log, a recording or Events.

mod audit;
mod events;
mod recording;
mod text;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::breaker::circuit::TripId;
use crate::cli::explain::audit::UnreadLog;
use crate::cli::explain::events::UnreadEvents;
use crate::cli::explain::recording::UnreadRecording;
use crate::cli::format::{Format, Unwritten};
use crate::cli::kube::KubeOptions;
use crate::cli::server::{ServerOptions, Unanswered, escaped};

const EXAMPLES: &str = "\
Examples:
  fusegate explain 0123456789abcdef
  fusegate explain 0123456789abcdef --audit /var/log/fusegate/audit.jsonl
  fusegate explain 0123456789abcdef --events
  fusegate replay /var/log/fusegate/recording.jsonl --trip 0123456789abcdef    out of a recording, event by event";

/// Options of `fusegate explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The trip's id, as the alert, the gate and the audit log name it.
    #[arg(value_name = "TRIP-ID")]
    pub trip: TripId,

    /// Read the story out of this audit log, and ask nobody: for a trip that replicas have forgotten.
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,

    /// Decide the story anew out of this recording, and ask nobody: where there is no audit log.
    #[arg(long, value_name = "FILE", conflicts_with = "audit")]
    pub recording: Option<PathBuf>,

    /// Read the story out of the cluster's Events, and ask no replica.
    #[arg(long, conflicts_with_all = ["audit", "recording"])]
    pub events: bool,

    /// The API server, for `--events`.
    #[command(flatten)]
    pub kube: KubeOptions,

    /// How it is written.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,

    /// Which replica is asked.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Why a trip is not explained.
#[derive(Debug, thiserror::Error)]
pub enum Unexplained {
    /// Nobody told.
    #[error(transparent)]
    Server(#[from] Unanswered),
    /// The log.
    #[error(transparent)]
    Log(#[from] UnreadLog),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] UnreadRecording),
    /// The Events.
    #[error(transparent)]
    Events(#[from] UnreadEvents),
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
    /// The answer is not what this version knows.
    #[error("the answer is of another version of fusegate")]
    Read(#[from] serde_json::Error),
}

impl Explain {
    /// Tells the story.
    ///
    /// # Errors
    ///
    /// When nobody knows the trip, or the output can't be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Unexplained> {
        let id = self.trip.to_string();
        let story: Value = if let Some(path) = &self.audit {
            audit::story(path, &id)?
        } else if let Some(path) = &self.recording {
            recording::story(path, &id)?
        } else if self.events {
            events::story(&self.kube, &id).await?
        } else {
            let path = format!("v1/trips/{}", escaped(&id));
            self.server.get(&path, &[]).await?
        };
        if !self.output.document(&story, out)? {
            text::write(&story, self.output == Format::Wide, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
