//! The counters: what the HTTP side counts, each found once at the start.
//!
//! A family of metrics has a lock around its map; what is looked up here is a bare
//! atomic, so that no request ever waits for another to count.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::runtime::metrics::{Bound, GateLabel, Metrics, RefusedLabel};
use crate::serve::verdict::GateState;

/// The form in which a gate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Our own.
    Native,
    /// Flagger's webhooks.
    Flagger,
    /// Argo Rollouts' `web` metric.
    Argo,
}

/// Counters of the HTTP side; clones share them.
#[derive(Clone, Debug)]
pub struct Counters(Arc<Found>);

#[derive(Debug)]
struct Found {
    native: Answers,
    flagger: Answers,
    argo: Answers,
    connections: Gauge,
    connections_full: Counter,
    waiters_full: Counter,
    too_often: Counter,
    unproven: Counter,
}

/// Why a request was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its caller asks too often.
    TooOften,
    /// It has neither a token nor a certificate of the group that it asks.
    Unproven,
}

/// Answers of one form, by state.
#[derive(Debug)]
struct Answers {
    closed: Counter,
    unknown: Counter,
    half_open: Counter,
    open: Counter,
}

/// An open connection, as long as this lives.
#[derive(Debug)]
pub(crate) struct Open(Counters);

impl Counters {
    /// Looks all of them up, which also makes them appear in the text as zero.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let refused = |reason| {
            metrics
                .http_refused
                .get_or_create(&RefusedLabel { reason })
                .clone()
        };
        Self(Arc::new(Found {
            native: Answers::new(metrics, "native"),
            flagger: Answers::new(metrics, "flagger"),
            argo: Answers::new(metrics, "argo"),
            connections: metrics.http_connections.clone(),
            connections_full: metrics.bound(Bound::HttpConnections),
            waiters_full: metrics.bound(Bound::GateWaiters),
            too_often: refused("TooOften"),
            unproven: refused("Unproven"),
        }))
    }

    /// A gate was asked.
    pub(crate) fn answered(&self, form: Form, state: GateState) {
        let answers = match form {
            Form::Native => &self.0.native,
            Form::Flagger => &self.0.flagger,
            Form::Argo => &self.0.argo,
        };
        answers.of(state).inc();
    }

    /// A connection was opened; it is counted until what this returns is dropped.
    pub(crate) fn opened(&self) -> Open {
        self.0.connections.inc();
        Open(self.clone())
    }

    /// There was no room for a further caller that waits.
    pub(crate) fn waiters_full(&self) {
        self.0.waiters_full.inc();
    }

    /// A request was not let through.
    pub(crate) fn refused(&self, why: Refused) {
        match why {
            Refused::TooOften => self.0.too_often.inc(),
            Refused::Unproven => self.0.unproven.inc(),
        };
    }

    /// There was no room for a further connection.
    pub(crate) fn full(&self) {
        self.0.connections_full.inc();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.connections.dec();
    }
}

impl Answers {
    fn new(metrics: &Metrics, form: &'static str) -> Self {
        let found = |state: GateState| {
            let label = GateLabel {
                form,
                state: state.name(),
            };
            metrics.gate_answers.get_or_create(&label).clone()
        };
        Self {
            closed: found(GateState::Closed),
            unknown: found(GateState::Unknown),
            half_open: found(GateState::HalfOpen),
            open: found(GateState::Open),
        }
    }

    fn of(&self, state: GateState) -> &Counter {
        match state {
            GateState::Closed => &self.closed,
            GateState::Unknown => &self.unknown,
            GateState::HalfOpen => &self.half_open,
            GateState::Open => &self.open,
        }
    }
}
