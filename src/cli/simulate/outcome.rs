//! The outcome: what became of all circuits of the policy.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::cli::simulate::observed::Marks;
use crate::cli::simulate::table::Mark;
use crate::cli::simulate::track::{Move, SLICES, Track, Tracks, Trip};
use crate::engine::output::Output;
use crate::wire::audit::{Line, Operation};
use crate::wire::effect::Effect;

/// The circuits whose values are kept for plots.
const MOST_PLOTTED: usize = 1_000;

/// What became of all circuits.
#[derive(Debug)]
pub(super) struct Outcome {
    policy: String,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) tracks: Tracks,
}

/// What came of it in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Score {
    pub(super) trips: usize,
    pub(super) suppressed: usize,
    pub(super) latched: usize,
    /// In milliseconds.
    pub(super) open: i64,
    pub(super) half_open: i64,
    /// The mean, in milliseconds.
    pub(super) to_trip: Option<i64>,
    /// Where there are marks.
    pub(super) marked: Option<Marked>,
}

/// Trips against marks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Marked {
    /// Trips while all was well.
    pub(super) false_trips: usize,
    /// Times of sickness.
    pub(super) sick: usize,
    /// Those of them in which the circuit was never Open.
    pub(super) missed: usize,
}

impl Outcome {
    pub(super) fn new(policy: String, from: i64, to: i64) -> Self {
        Self {
            policy,
            from,
            to,
            tracks: Tracks::new(),
        }
    }

    /// Takes what a turn came to.
    pub(super) fn take(&mut self, at: i64, output: Output) {
        for effect in output.effects {
            if let Effect::Audit(line) = effect {
                self.note(&line);
            }
        }
        for seen in output.seen {
            let room = self.tracks.len() < MOST_PLOTTED || self.tracks.contains_key(&seen.object);
            let slice = room.then(|| self.slice(at));
            let track = self.tracks.entry(seen.object).or_default();
            track.see(at, &seen.circuit, slice);
        }
    }

    fn note(&mut self, line: &Line) {
        if line.policy.as_deref() != Some(self.policy.as_str()) {
            return;
        }
        let Some((_, object)) = line.resource.rsplit_once('/') else {
            return;
        };
        let track = match line.operation {
            Operation::Move(_) | Operation::Suppress | Operation::Latch => {
                self.tracks.entry(object.into()).or_default()
            }
            _ => return,
        };
        match line.operation {
            Operation::Move(state) => {
                let moved = Move {
                    at: line.at,
                    state,
                    reason: line.reason.clone(),
                };
                track.enter(moved, line.trip_id.as_deref());
            }
            Operation::Suppress => track.suppressed += 1,
            _ => track.latch(),
        }
    }

    /// Which slice of the time a moment falls into.
    fn slice(&self, at: i64) -> usize {
        let (past, length) = (at - self.from, (self.to - self.from).max(1));
        let slice = i128::from(past) * SLICES as i128 / i128::from(length);
        usize::try_from(slice).unwrap_or(0).min(SLICES - 1)
    }

    /// The trips of all circuits, by time.
    pub(super) fn trips(&self) -> Vec<(&Arc<str>, &Trip)> {
        let mut trips: Vec<_> = self
            .tracks
            .iter()
            .flat_map(|(object, track)| track.trips.iter().map(move |trip| (object, trip)))
            .collect();
        trips.sort_by_key(|(_, trip)| trip.at);
        trips
    }

    /// The figures.
    pub(super) fn score(&self, marks: Option<&Marks>) -> Score {
        let mut score = Score {
            marked: marks.map(|_| Marked::default()),
            ..Score::default()
        };
        let mut waits = Vec::new();
        for (object, track) in &self.tracks {
            score.trips += track.trips.len();
            score.suppressed += track.suppressed;
            score.latched += track.trips.iter().filter(|trip| trip.latched).count();
            score.open += track.spent(StateName::Open, self.to);
            score.half_open += track.spent(StateName::HalfOpen, self.to);
            let of_object = marks.and_then(|marks| marks.get(object));
            let periods = of_object.map_or_else(Vec::new, |marks| sick(marks, self.to));
            if let (Some(marked), Some(marks)) = (&mut score.marked, of_object) {
                marked.sick += periods.len();
                marked.false_trips += track
                    .trips
                    .iter()
                    .filter(|trip| is_false(trip, marks))
                    .count();
                marked.missed += periods
                    .iter()
                    .filter(|period| !is_noticed(track, **period, self.to))
                    .count();
            }
            let counted = track.trips.iter();
            waits.extend(counted.map(|trip| to_trip(trip, &periods)));
        }
        let count = i64::try_from(waits.len()).unwrap_or(i64::MAX);
        score.to_trip = waits.iter().sum::<i64>().checked_div(count);
        score
    }
}

/// Whether an object was well when it tripped.
pub(super) fn is_false(trip: &Trip, marks: &[(i64, Mark)]) -> bool {
    let last = marks.iter().rev().find(|(at, _)| *at <= trip.at);
    last.is_some_and(|(_, mark)| *mark == Mark::Good)
}

/// When an object was sick: from and to.
pub(super) fn sick(marks: &[(i64, Mark)], until: i64) -> Vec<(i64, i64)> {
    let ends = marks.iter().skip(1).map(|(at, _)| *at);
    let spans = marks.iter().zip(ends.chain(std::iter::once(until)));
    let bad = spans.filter(|((_, mark), _)| *mark == Mark::Bad);
    bad.map(|((at, _), end)| (*at, end)).collect()
}

/// Whether a circuit was Open while its object was sick.
fn is_noticed(track: &Track, (from, to): (i64, i64), until: i64) -> bool {
    let mut spans = track.spans(until);
    spans.any(|span| span.state == StateName::Open && span.from <= to && span.to > from)
}

/// How long it took to trip: since the object was marked sick, or else since the first Bad sample of the streak.
pub(super) fn to_trip(trip: &Trip, sick: &[(i64, i64)]) -> i64 {
    let marked = sick
        .iter()
        .find(|(from, to)| (*from..=*to).contains(&trip.at));
    trip.at - marked.map_or(trip.onset, |(from, _)| *from)
}
