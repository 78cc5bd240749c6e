//! A track: what became of one circuit, state by state and trip by trip.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::sample::Value;
use crate::breaker::time::Mono;
use crate::wire::view::CircuitView;

/// Into how many slices the time is cut for plots.
pub(super) const SLICES: usize = 600;

/// One circuit.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) moves: Vec<Move>,
    pub(super) trips: Vec<Trip>,
    /// By the policy's rules.
    pub(super) rules: Vec<RuleTrack>,
    pub(super) suppressed: usize,
}

/// A state that was entered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Move {
    pub(super) at: i64,
    pub(super) state: StateName,
    pub(super) reason: Box<str>,
}

/// A trip, from Closed until Closed again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trip {
    pub(super) id: Box<str>,
    pub(super) at: i64,
    /// When the first Bad sample of the streak was.
    pub(super) onset: i64,
    pub(super) closed: Option<i64>,
    /// How often a probe failed.
    pub(super) reopened: usize,
    /// Whether it waits for a person.
    pub(super) latched: bool,
    pub(super) reason: Box<str>,
}

/// What one rule saw.
#[derive(Debug, Default)]
pub(super) struct RuleTrack {
    /// Since when its streak lasts.
    onset: Option<i64>,
    arrived: Option<Mono>,
    /// The least and the greatest value of each slice; empty where nothing is plotted.
    pub(super) slices: Vec<Option<(f64, f64)>>,
}

impl Track {
    /// A state is entered.
    pub(super) fn enter(&mut self, moved: Move, id: Option<&str>) {
        let open = self.trips.last_mut().filter(|trip| trip.closed.is_none());
        match (moved.state, open) {
            (StateName::Open, Some(trip)) => trip.reopened += 1,
            (StateName::Open, None) => {
                let onset = self.rules.iter().filter_map(|rule| rule.onset).min();
                self.trips.push(Trip {
                    id: id.unwrap_or_default().into(),
                    at: moved.at,
                    onset: onset.unwrap_or(moved.at),
                    closed: None,
                    reopened: 0,
                    latched: false,
                    reason: moved.reason.clone(),
                });
            }
            (StateName::Closed, Some(trip)) => trip.closed = Some(moved.at),
            (StateName::Closed | StateName::HalfOpen, _) => {}
        }
        self.moves.push(moved);
    }

    /// It waits for a person from now on.
    pub(super) fn latch(&mut self) {
        if let Some(trip) = self.trips.last_mut() {
            trip.latched = true;
        }
    }

    /// What a turn left behind, and the slice that it falls into, if that is plotted.
    pub(super) fn see(&mut self, at: i64, circuit: &CircuitView, slice: Option<usize>) {
        self.rules
            .resize_with(circuit.config.rules.len(), RuleTrack::default);
        for (track, rule) in self.rules.iter_mut().zip(circuit.rules()) {
            track.onset = match (rule.streak, track.onset) {
                (0, _) => None,
                (_, None) => Some(at),
                (_, since) => since,
            };
            let Some(slice) = slice else { continue };
            if track.arrived == rule.arrived {
                continue;
            }
            track.arrived = rule.arrived;
            if let Some(number) = rule.value.and_then(number) {
                track.put(slice, number);
            }
        }
    }

    /// How long it was in a state, up to a moment, in milliseconds.
    pub(super) fn spent(&self, state: StateName, until: i64) -> i64 {
        let spans = self.spans(until);
        spans
            .filter(|span| span.state == state)
            .map(|span| span.to - span.from)
            .sum()
    }

    /// Each state that was entered, until the next.
    pub(super) fn spans(&self, until: i64) -> impl Iterator<Item = Span> {
        let ends = self.moves.iter().skip(1).map(|next| next.at);
        let ends = ends.chain(std::iter::once(until));
        self.moves.iter().zip(ends).map(|(moved, to)| Span {
            state: moved.state,
            from: moved.at,
            to,
        })
    }
}

/// A state, and how long it lasted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) state: StateName,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl RuleTrack {
    fn put(&mut self, slice: usize, number: f64) {
        self.slices.resize(SLICES, None);
        if let Some(slot) = self.slices.get_mut(slice) {
            let (low, high) = slot.unwrap_or((number, number));
            *slot = Some((low.min(number), high.max(number)));
        }
    }

    /// The least and the greatest value of each of so many slices; a value stands until the next one.
    pub(super) fn resliced(&self, count: usize) -> Vec<Option<(f64, f64)>> {
        let mut standing = None;
        let filled: Vec<Option<(f64, f64)>> = self
            .slices
            .iter()
            .map(|slice| {
                standing = slice.or(standing);
                standing
            })
            .collect();
        let range = |index: usize| {
            let from = index * SLICES / count.max(1);
            let to = ((index + 1) * SLICES / count.max(1)).max(from + 1);
            let slices = filled.get(from..to.min(filled.len())).unwrap_or_default();
            let known = slices.iter().flatten().copied();
            known.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        };
        (0..count).map(range).collect()
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) if number.is_finite() => Some(*number),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    }
}

/// The tracks of all circuits, by object.
pub(super) type Tracks = std::collections::BTreeMap<Arc<str>, Track>;
