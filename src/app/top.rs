//! The top's counter: takes down which objects and keys come, as the pump hands them to the engine and out.

use std::sync::Arc;

use crate::breaker::time::{Mono, Span};
use crate::serve::top::{Document, Frequent, Largest, SharedTop};
use crate::wire::audit::{Action, Line, Verdict};
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Event, GroupKind, Meta};

/// For how long writes are counted.
const SPAN: Span = Span::from_secs(10);

/// What came since the span began.
#[derive(Debug)]
pub(super) struct Tally {
    since: Mono,
    writes: Frequent,
    bytes: Largest,
    entries: Largest,
    refused_keys: Frequent,
    shared: SharedTop,
}

impl Tally {
    pub(super) fn begin(now: Mono, shared: SharedTop) -> Self {
        Self {
            since: now,
            writes: Frequent::default(),
            bytes: Largest::default(),
            entries: Largest::default(),
            refused_keys: Frequent::default(),
            shared,
        }
    }

    /// Counts an object that comes.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Object(kind, Change::Applied(object)) => {
                let (meta, bytes) = (&object.meta, event.weight());
                self.writes.add(&meta.uid, || resource(kind, meta));
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                self.bytes.set(&meta.uid, bytes, || resource(kind, meta));
            }
            Event::Object(kind, Change::Deleted(object)) => {
                let meta = &object.meta;
                self.bytes.set(&meta.uid, 0, || resource(kind, meta));
            }
            _ => {}
        }
    }

    /// Counts what maps hold now, and the keys for which they were rejected; ends the span when it is over.
    pub(super) fn turn(&mut self, now: Mono, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Audit(line) = effect
                && line.action == Action::Map
            {
                self.line(line);
            }
        }
        let span = now.since(self.since);
        if span < SPAN {
            return;
        }
        self.since = now;
        self.shared.store(Arc::new(Document {
            seconds: span.0 / 1_000,
            writes: self.writes.take(),
            bytes: self.bytes.told(),
            entries: self.entries.told(),
            refused_keys: self.refused_keys.take(),
        }));
    }

    fn line(&mut self, line: &Line) {
        if let Some(entries) = line.keys_after {
            let entries = u64::try_from(entries).unwrap_or(u64::MAX);
            self.entries
                .set(&line.uid, entries, || line.resource.clone());
        }
        if line.verdict == Verdict::Rejected {
            for key in keys(&line.reason) {
                self.refused_keys.add(key, || key.into());
            }
        }
    }
}

/// `Kind.group/namespace/name`, as in the audit log.
fn resource(kind: &GroupKind, meta: &Meta) -> Box<str> {
    let slash = if meta.namespace.is_empty() { "" } else { "/" };
    format!("{kind}/{}{slash}{}", meta.namespace, meta.name).into()
}

/// The keys that a reason names: each problem of a key begins with `key "…"`, whose quotes are escaped.
fn keys(reason: &str) -> impl Iterator<Item = &str> {
    reason.split("key \"").skip(1).filter_map(|rest| {
        let mut escaped = false;
        let end = rest.find(|char: char| {
            let ends = char == '"' && !escaped;
            escaped = char == '\\' && !escaped;
            ends
        });
        rest.get(..end?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::{Object, SeenBy};

    fn object(name: &str, uid: &str, status: usize) -> Object {
        let status = format!("\"{}\"", "x".repeat(status));
        Object {
            meta: Meta {
                namespace: "shop".into(),
                name: name.into(),
                uid: uid.into(),
                ..Meta::default()
            },
            status: serde_json::value::RawValue::from_string(status).ok(),
            rest: None,
            seen_by: SeenBy::Watch,
        }
    }

    fn names(items: &[crate::serve::top::Item]) -> Vec<&str> {
        items.iter().map(|item| &*item.name).collect()
    }

    #[test]
    fn a_span_tells_what_came_in_it_and_what_is_largest_since_ever() {
        let shared = SharedTop::default();
        let mut tally = Tally::begin(Mono(0), shared.clone());
        let kind = GroupKind::new("g", "K");
        let mut see = |name: &str, status| {
            let event = Event::Object(kind.clone(), Change::Applied(object(name, name, status)));
            tally.event(&event);
        };
        see("small", 10);
        see("large", 1_000);
        see("small", 20);
        let line = Line {
            uid: "small".into(),
            resource: "K.g/shop/small".into(),
            keys_after: Some(7),
            verdict: Verdict::Rejected,
            reason: "key \"a\" is not declared by contract c".into(),
            ..Line::default()
        };
        tally.turn(Mono(9_999), &[Effect::Audit(Box::new(line))]);
        assert_eq!(**shared.load(), Document::default());
        tally.turn(Mono(10_000), &[]);
        let first = shared.load_full();
        assert_eq!(first.seconds, 10);
        assert_eq!(names(&first.writes), ["K.g/shop/small", "K.g/shop/large"]);
        assert_eq!(first.writes[0].count, 2);
        assert_eq!(names(&first.bytes), ["K.g/shop/large", "K.g/shop/small"]);
        assert_eq!(
            (names(&first.entries), first.entries[0].count),
            (vec!["K.g/shop/small"], 7)
        );
        assert_eq!(names(&first.refused_keys), ["a"]);

        let gone = Event::Object(kind, Change::Deleted(object("large", "large", 0)));
        tally.event(&gone);
        tally.turn(Mono(20_000), &[]);
        let second = shared.load_full();
        assert_eq!(names(&second.writes), [""; 0]);
        assert_eq!(names(&second.bytes), ["K.g/shop/small"]);
    }

    #[test]
    fn a_reason_names_its_keys_whatever_is_in_them() {
        let told = |reason: &str| keys(reason).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            told(r#"key "a" is not declared; key "b\"c\\" has 3 of 2"#),
            ["a", r#"b\"c\\"#]
        );
        assert_eq!(told("there are 11 entries, the limit is 10"), [""; 0]);
    }
}
