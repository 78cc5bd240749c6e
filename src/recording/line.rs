//! The lines of a recording, and their format.
//!
//! The first line is the header. Then comes a line for each turn, a line wherever turns are missing, and the
//! closing line if the process had time for it. A change that an older fusegate would misread makes a new
//! [`FORMAT`]; a new optional field does not.

use serde::{Deserialize, Serialize};

use crate::recording::digest::Digest;
use crate::wire::event::Event;

/// The most bytes that wait, and the longest turn: half of what a hostile writer may cost (DESIGN, Targets).
pub const MOST_BYTES: usize = 16 << 20;

/// The format that is written, and the only one that can be read.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first.
    Recording(Header),
    /// One turn of the engine.
    Turn(Box<Turn>),
    /// Turns that are missing here.
    Gap(Gap),
    /// The last.
    End(End),
}

/// The settings of the engine, and who recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of fusegate that recorded.
    pub version: String,
    /// `--cluster`.
    pub cluster: String,
    /// `--link`, as used in alerts.
    pub link: String,
    /// fusegate's own namespace; older versions judged nothing by it.
    #[serde(default)]
    pub namespace: String,
    /// `--shard`, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The number of the newest of [`RULES`](super::rules::RULES) that it was decided by; older versions did not record it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rules: u32,
    /// When the run began, in Unix milliseconds; older versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One turn: its events at one reading of the clocks, then a tick and a flush.
#[derive(Debug, Serialize, Deserialize)]
pub struct Turn {
    /// Counts up from 1.
    pub number: u64,
    /// The monotonic reading in milliseconds.
    pub mono: u64,
    /// The wall reading in Unix milliseconds.
    pub wall: i64,
    /// In the order in which the engine handled them; empty if only time passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// The digest of all audit lines since the start, if this turn wrote any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Digest>,
    /// The digest of all publications since the start and of the snapshot after each, if this turn published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Digest>,
}

/// Turns that could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// How many.
    pub turns: u64,
}

/// The end of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why the recording ends here.
    pub why: Why,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The process was stopped.
    Stopped,
    /// The recording reached its limit; the process went on without it.
    Limit,
}
