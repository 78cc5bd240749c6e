//! A recording: what it has of one trip, decided anew, in the form in which a replica tells it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::settings::Capacity;
use crate::engine::{Engine, Settings};
use crate::recording::reader::{Reader, Reading};
use crate::wire::audit::{Action, Line};
use crate::wire::effect::Effect;

/// Why a recording tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum UnreadRecording {
    /// It can't be opened.
    #[error("opening the recording {}", path.display())]
    Open {
        /// The recording.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It can't be read to its end.
    #[error("reading the recording {}", path.display())]
    Read {
        /// The recording.
        path: PathBuf,
        /// Why.
        source: Reading,
    },
    /// The trip is not in it.
    #[error(
        "{} has nothing about trip {trip}; the runs before are in the files that end in `.1` and `.2`",
        path.display()
    )]
    Nothing {
        /// The recording.
        path: PathBuf,
        /// The trip.
        trip: String,
    },
}

/// What the recording has of a trip.
pub(super) fn story(path: &Path, trip: &str) -> Result<Value, UnreadRecording> {
    let file = File::open(path).map_err(|source| UnreadRecording::Open {
        path: path.to_owned(),
        source,
    })?;
    let unread = |source| UnreadRecording::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = Reader::open(BufReader::new(file)).map_err(unread)?;
    let header = reader.header();
    let mut engine = Engine::new(Settings {
        cluster: header.cluster.as_str().into(),
        namespace: header.namespace.as_str().into(),
        link: header.link.as_str().into(),
        capacity: Capacity::default(),
        shard: header.shard.as_deref().map(Into::into),
    });
    let mut story = Vec::new();
    while let Some(turn) = reader.turn().map_err(unread)? {
        let now = Now {
            mono: Mono(turn.mono),
            wall: Wall(turn.wall),
        };
        for event in turn.events {
            engine.handle(now, event);
        }
        engine.tick(now);
        for effect in engine.flush(now).effects {
            if let Effect::Audit(line) = effect {
                story.extend(entry(&line, trip));
            }
        }
    }
    if story.is_empty() {
        return Err(UnreadRecording::Nothing {
            path: path.to_owned(),
            trip: trip.to_owned(),
        });
    }
    Ok(json!({"id": trip, "story": story, "omitted": 0}))
}

fn entry(line: &Line, trip: &str) -> Option<Value> {
    if line.trip_id.as_deref() != Some(trip) || line.action == Action::Map {
        return None;
    }
    Some(json!({
        "at": line.at, "action": line.action.name(), "operation": line.operation.name(),
        "verdict": line.verdict.name(), "source": line.source.name(), "resource": line.resource,
        "policy": line.policy, "reason": line.reason,
    }))
}
