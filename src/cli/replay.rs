//! `fusegate replay`: its options.

use std::path::PathBuf;

use clap::Args;

const EXAMPLE: &str = "\
Examples:
  fusegate replay /var/lib/fusegate/recording.jsonl > audit.jsonl
  fusegate replay recording.jsonl --trip 9f86d081884c7d65
  fusegate replay recording.jsonl --snapshot
  fusegate replay recording.jsonl --audit audit.jsonl    what would be decided otherwise now, and why

The audit lines go to standard output, byte for byte as in the audit log of that run, and a summary
to standard error. Every turn is compared with what it produced when it was recorded.

Exit code: 0 when every turn was the same, 1 when one differs, 2 when the recording can't be read
or lacks turns.";

/// Options of `fusegate replay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Replay {
    /// What `fusegate run --record FILE` has written. That of a run that still goes on can be replayed as well.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Instead of all audit lines, what led to one trip and what came of it: the events of its object, policy and
    /// overrides, and the audit lines about them. The id is in the alert, the status, the gate's answer and the
    /// audit log.
    #[arg(long, value_name = "ID", conflicts_with_all = ["snapshot", "quiet"])]
    pub trip: Option<String>,

    /// Instead of audit lines, the layers as they were at the end, as JSON.
    #[arg(long, conflicts_with = "quiet")]
    pub snapshot: bool,

    /// The audit log of that run. Instead of audit lines, writes each line that would be another one now, with the rule
    /// that has changed since, and goes on to the end of the recording.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trip", "snapshot", "quiet"])]
    pub audit: Option<PathBuf>,

    /// Only the summary.
    #[arg(long, short)]
    pub quiet: bool,
}
