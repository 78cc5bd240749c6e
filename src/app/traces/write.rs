//! A write that is traced: what it was, what the turn that took it did for it, and the spans that say so.

use std::time::Duration;

use crate::app::traces::acks::Publication;
use crate::engine::output::Decided;
use crate::runtime::otlp::{Kind, Span, SpanId, Spans, Value};
use crate::runtime::sampler::Sampled;
use crate::wire::event::{GroupKind, Meta};

/// A write.
pub(super) struct Write {
    pub(super) sampled: Sampled,
    object: String,
    uid: Box<str>,
    resource_version: Box<str>,
    pub(super) decided: Decided,
    /// The trip that its audit lines name.
    pub(super) trip: Option<Box<str>>,
    pub(super) published: Option<Publication>,
}

/// When a turn took its steps.
pub(super) struct Steps {
    pub(super) began: Duration,
    pub(super) events: usize,
    pub(super) decided: Duration,
    pub(super) publishing: Duration,
    pub(super) ended: Duration,
}

impl Write {
    pub(super) fn new(sampled: Sampled, kind: &GroupKind, meta: &Meta) -> Self {
        Self {
            sampled,
            object: format!("{kind}/{}/{}", meta.namespace, meta.name),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            decided: Decided::default(),
            trip: None,
            published: None,
        }
    }

    /// Tells the spans of the turn.
    pub(super) fn tell(self, spans: &Spans, steps: &Steps) {
        let (arrived, root) = (self.sampled.arrived, spans.id());
        let step = |name, start, end| Span {
            trace: self.sampled.trace,
            id: spans.id(),
            parent: Some(root),
            name,
            kind: Kind::Internal,
            start,
            end,
            attributes: Vec::new(),
            events: Vec::new(),
            error: None,
        };
        spans.send(step("queue", arrived, steps.began));
        let events = Value::from(steps.events as u64);
        spans.send(Span {
            attributes: vec![("fusegate.turn.events", events)],
            ..step("decide", steps.began, steps.decided)
        });
        if let Some(published) = &self.published {
            spans.send(step("record", steps.decided, steps.publishing));
            spans.send(Span {
                id: published.id,
                attributes: vec![
                    ("fusegate.layers", published.layers()),
                    ("fusegate.xds.sequence", published.sequence.into()),
                ],
                ..step("publish", steps.publishing, steps.ended)
            });
        }
        spans.send(self.root(root, steps.ended));
    }

    fn root(self, id: SpanId, end: Duration) -> Span {
        let mut attributes = vec![
            ("fusegate.object", Value::Text(self.object)),
            ("k8s.object.uid", Value::from(&*self.uid)),
            (
                "k8s.object.resource_version",
                Value::from(&*self.resource_version),
            ),
        ];
        let trip = self.trip.as_deref().map(Value::from);
        attributes.extend(trip.map(|trip| ("fusegate.trip_id", trip)));
        Span {
            trace: self.sampled.trace,
            id,
            parent: None,
            name: "status write",
            kind: Kind::Consumer,
            start: self.sampled.arrived,
            end,
            attributes,
            events: Vec::new(),
            error: None,
        }
    }
}
