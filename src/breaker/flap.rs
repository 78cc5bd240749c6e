//! Flapping: tripping so often that only a person should close the circuit again.

use std::collections::VecDeque;

use crate::breaker::circuit::Circuit;
use crate::breaker::config::{Flap, MAX_FLAP_TRIPS};
use crate::breaker::time::Mono;

/// Notes a trip; true when there are now too many of them.
pub(super) fn note_trip(circuit: &mut Circuit, flap: Flap, now: Mono) -> bool {
    forget(circuit, flap, now);
    let tolerated = flap.trips.min(MAX_FLAP_TRIPS) as usize;
    circuit.past.trips.push_back(now);
    while circuit.past.trips.len() > tolerated.saturating_add(1) {
        circuit.past.trips.pop_front();
    }
    circuit.past.trips.len() > tolerated
}

/// Forgets the trips that have left the window.
pub(super) fn forget(circuit: &mut Circuit, flap: Flap, now: Mono) {
    while circuit
        .past
        .trips
        .front()
        .is_some_and(|first| now.since(*first) > flap.within)
    {
        circuit.past.trips.pop_front();
    }
    if circuit.past.trips.is_empty() {
        circuit.past.trips = VecDeque::new();
    }
}
