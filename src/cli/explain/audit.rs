//! An audit log: what it has of one trip, in the form in which a replica tells it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use fusegate_crds::Time;
use serde_json::{Value, json};

/// The most lines of one story; a circuit that reopens each minute for half a day.
const MOST_LINES: usize = 10_000;

/// Why a log tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum UnreadLog {
    /// It can't be read.
    #[error("reading the audit log {}", path.display())]
    Read {
        /// The log.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The trip is not in it.
    #[error(
        "{} has nothing about trip {trip}; it may be in an older file of the log, or in that of another replica",
        path.display()
    )]
    Nothing {
        /// The log.
        path: PathBuf,
        /// The trip.
        trip: String,
    },
}

/// What the log has of a trip.
pub(super) fn story(path: &Path, trip: &str) -> Result<Value, UnreadLog> {
    let unread = |source| UnreadLog::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unread)?;
    let mut story = Vec::new();
    let mut omitted = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(unread)?;
        // The last line of a log that is being written may be half there.
        let Some(entry) = serde_json::from_slice(&line)
            .ok()
            .and_then(|line| entry(&line, trip))
        else {
            continue;
        };
        if story.len() < MOST_LINES {
            story.push(entry);
        } else {
            omitted += 1;
        }
    }
    if story.is_empty() {
        return Err(UnreadLog::Nothing {
            path: path.to_owned(),
            trip: trip.to_owned(),
        });
    }
    Ok(json!({"id": trip, "story": story, "omitted": omitted}))
}

fn entry(line: &Value, trip: &str) -> Option<Value> {
    let field = |name: &str| line.get(name).and_then(Value::as_str);
    if field("trip_id") != Some(trip) || field("action") == Some("Map") {
        return None;
    }
    let at = field("time").and_then(Time::parse).map(Time::millis);
    Some(json!({
        "at": at, "action": field("action"), "operation": field("operation"), "verdict": field("verdict"),
        "source": field("source"), "resource": field("resource"), "policy": field("policy"), "reason": field("reason"),
    }))
}
