//! A recording: the turns of a run, as far as they tell of the objects of one kind.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::breaker::time::{Mono, Now, Wall};
use crate::cli::simulate::failure::SimulateFailure;
use crate::recording::reader::Reader;
use crate::wire::event::{Event, Feed, GroupKind};

/// What a run saw.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The namespace of the fusegate that recorded it, whose policies judge cluster-scoped kinds.
    pub(super) namespace: Box<str>,
    pub(super) turns: Vec<(Now, Vec<Event>)>,
    /// When it ends.
    pub(super) end: Now,
    /// Reports of objects, and answers.
    pub(super) observations: u64,
}

/// The most turns that are kept: a week of one each second.
const MOST_TURNS: usize = 1_000_000;

impl Recorded {
    /// Reads a recording.
    pub(super) fn read(path: &Path, kind: &GroupKind) -> Result<Self, SimulateFailure> {
        let file = File::open(path).map_err(|source| SimulateFailure::Read {
            path: path.to_owned(),
            source,
        })?;
        let unread = |source| SimulateFailure::Recording {
            path: path.to_owned(),
            source,
        };
        let mut reader = Reader::open(BufReader::new(file)).map_err(unread)?;
        let mut recorded = Self {
            namespace: reader.header().namespace.as_str().into(),
            turns: Vec::new(),
            end: Now::default(),
            observations: 0,
        };
        while let Some(turn) = reader.turn().map_err(unread)? {
            let now = Now {
                mono: Mono(turn.mono),
                wall: Wall(turn.wall),
            };
            recorded.end = now;
            let mut events = turn.events;
            events.retain(|event| concerns(event, kind));
            recorded.observations +=
                events.iter().filter(|event| is_observation(event)).count() as u64;
            if !events.is_empty() {
                recorded.turns.push((now, events));
            }
            if recorded.turns.len() > MOST_TURNS {
                let problem = format!(
                    "has more than {MOST_TURNS} turns that tell of {kind}; give a shorter one"
                );
                return Err(SimulateFailure::file(path, problem));
            }
        }
        if recorded.observations == 0 {
            let problem = format!(
                "tells of no {kind}, the kind of the contract; give the recording of a fusegate that watched it"
            );
            return Err(SimulateFailure::file(path, problem));
        }
        Ok(recorded)
    }
}

/// Whether an event tells of a kind: what it is, which of it there is, and how live that is.
fn concerns(event: &Event, kind: &GroupKind) -> bool {
    match event {
        Event::Crd(crd) => crd.get().target == *kind,
        Event::ApiResource(resource) => resource.get().target == *kind,
        Event::Object(of, _)
        | Event::Listing(Feed::Objects(of))
        | Event::Listed(Feed::Objects(of))
        | Event::Confirmed(Feed::Objects(of))
        | Event::Interrupted(Feed::Objects(of), _) => of == kind,
        Event::Answer(_) | Event::Denied(_) => true,
        _ => false,
    }
}

fn is_observation(event: &Event) -> bool {
    matches!(
        event,
        Event::Object(..) | Event::Answer(_) | Event::Denied(_)
    )
}
