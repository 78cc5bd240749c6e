//! The story of a trip: the events that its circuit was judged by and its audit lines, in order.

use std::io::{self, Write};
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};
use serde::Serialize;

use crate::app::replay::moment::moment;
use crate::app::replay::player::Player;
use crate::effects::audit::json::Writer;
use crate::recording::line::Turn;
use crate::wire::audit::{Action, Line};
use crate::wire::effect::Effect;
use crate::wire::event::{Event, Feed, GroupKind};

/// The subject of a trip.
pub(super) struct Subject {
    trip: Box<str>,
    /// The object's uid.
    uid: Box<str>,
    /// The policy's namespace and name.
    namespace: Box<str>,
    policy: Box<str>,
    /// The object's name.
    object: Box<str>,
    kind: GroupKind,
}

/// Writes the story.
pub(super) struct Story {
    subject: Subject,
    /// The last specs written, so that a status update does not repeat them.
    policy: Option<Arc<CircuitPolicySpec>>,
    contract: Option<Arc<ConditionContractSpec>>,
    writer: Writer,
}

/// An event in the output.
#[derive(Serialize)]
struct ShownEvent<'a> {
    time: String,
    turn: u64,
    event: &'a Event,
}

impl Subject {
    /// From the audit line of the trip, if it is among these effects.
    pub(super) fn of(trip: &str, effects: &[Effect]) -> Option<Self> {
        let mut lines = effects.iter().filter_map(|effect| match effect {
            Effect::Audit(line) => Some(line),
            _ => None,
        });
        let line = lines
            .find(|line| line.action == Action::State && line.trip_id.as_deref() == Some(trip))?;
        let (namespace, policy) = line.policy.as_deref()?.split_once('/')?;
        // `Kind.group/namespace/name`, without a group or a namespace where there is none.
        let (kind, rest) = line.resource.split_once('/')?;
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let object = rest.split_once('/').map_or(rest, |(_, object)| object);
        Some(Self {
            trip: trip.into(),
            uid: (&*line.uid).into(),
            namespace: namespace.into(),
            policy: policy.into(),
            object: object.into(),
            kind: GroupKind::new(group, kind),
        })
    }

    fn is_about(&self, line: &Line) -> bool {
        line.trip_id.as_deref() == Some(&*self.trip) || *line.uid == *self.uid
    }
}

impl Story {
    pub(super) fn of(subject: Subject) -> Self {
        Self {
            subject,
            policy: None,
            contract: None,
            writer: Writer::default(),
        }
    }

    /// Writes the events of a turn that the circuit was judged by.
    pub(super) fn events(&mut self, turn: &Turn, out: &mut impl Write) -> io::Result<()> {
        for event in &turn.events {
            if self.concerns(event) {
                let told = ShownEvent {
                    time: moment(turn.wall),
                    turn: turn.number,
                    event,
                };
                serde_json::to_writer(&mut *out, &told)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    /// Writes the audit lines of the last turn that are about it.
    pub(super) fn lines(&mut self, player: &Player, out: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        for effect in &player.effects {
            if let Effect::Audit(line) = effect
                && self.subject.is_about(line)
            {
                self.writer.line(line, &mut text);
            }
        }
        out.write_all(&text)
    }

    fn concerns(&mut self, event: &Event) -> bool {
        let subject = &self.subject;
        match event {
            Event::Object(_, change) => change.get().meta.uid == subject.uid,
            Event::Policy(change) => {
                let document = change.get();
                let ours = document.meta.name == subject.policy
                    && document.meta.namespace == subject.namespace;
                let spec = document.spec.as_ref().ok();
                ours && renewed(&mut self.policy, spec)
            }
            Event::Contract(change) => {
                let spec = change.get().spec.as_ref().ok();
                let target = spec.map(|spec| &spec.target);
                let ours = target.is_some_and(|target| {
                    *target.group == *subject.kind.group && *target.kind == *subject.kind.kind
                });
                ours && renewed(&mut self.contract, spec)
            }
            Event::Override(change) => change.get().spec.as_ref().is_ok_and(|spec| {
                let object = spec.object.as_deref();
                *spec.policy == *subject.policy
                    && change.get().meta.namespace == subject.namespace
                    && object.is_none_or(|object| *object == *subject.object)
            }),
            Event::Interrupted(Feed::Objects(kind), _)
            | Event::Listing(Feed::Objects(kind))
            | Event::Listed(Feed::Objects(kind)) => *kind == subject.kind,
            Event::Outcome(outcome) => outcome.trip == subject.trip,
            Event::Leading(_) => true,
            _ => false,
        }
    }
}

/// Remembers a spec; true if it differs from the last one.
fn renewed<S: PartialEq>(before: &mut Option<Arc<S>>, spec: Option<&Arc<S>>) -> bool {
    let renewed = before.as_ref() != spec;
    *before = spec.cloned();
    renewed
}
