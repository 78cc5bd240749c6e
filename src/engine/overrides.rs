//! An override as the engine keeps it, and what it makes of circuits.

use std::sync::Arc;

use fusegate_crds::{CircuitOverrideSpec, OverrideState};

use crate::breaker::circuit::Forced;
use crate::breaker::step::Input;
use crate::breaker::time::{Mono, Now, Span};
use crate::engine::circuit::{Cue, forced};
use crate::engine::{Engine, Key, policy};
use crate::wire::effect::{Acceptance, Action, Effect, Line, Target};
use crate::wire::event::{Document, Meta};

#[derive(Debug)]
pub(crate) struct OverrideEntry {
    meta: Meta,
    spec: Option<Arc<CircuitOverrideSpec>>,
    expires: Option<Mono>,
    expired: bool,
    pub(crate) seen: bool,
}

/// What a person orders for a circuit, and in which words.
struct Order {
    forced: Forced,
    why: String,
    word: Word,
}

/// What a person wrote at one time, as Events know it: the same after a restart, another one once it is edited.
pub(crate) type Word = String;

impl Engine {
    pub(crate) fn apply_override(&mut self, now: Now, document: Document<CircuitOverrideSpec, ()>) {
        let key = policy::key(&document.meta);
        let before = self.overrides.remove(&key);
        let known = before
            .as_ref()
            .is_some_and(|before| before.spec.as_ref() == document.spec.as_ref().ok());
        let concerned = before
            .and_then(|before| before.spec)
            .map(|spec| spec.policy.clone());
        let entry = OverrideEntry::new(now, document.meta, document.spec.as_ref().ok().cloned());
        if !known {
            self.effects.push(Effect::OverrideAccepted(
                entry.acceptance(now, document.spec.as_ref().err()),
            ));
        }
        let target = entry.spec.as_ref().map(|spec| spec.policy.clone());
        let word = entry.word();
        self.overrides.insert(key.clone(), entry);
        for policy in [concerned, target].into_iter().flatten() {
            self.apply_overrides(now, &(key.0.clone(), policy.into()), &word);
        }
    }

    pub(crate) fn delete_override(&mut self, now: Now, key: &Key) {
        let Some(removed) = self.overrides.remove(key) else {
            return;
        };
        let word = removed.word();
        if let Some(spec) = removed.spec {
            self.apply_overrides(now, &(key.0.clone(), spec.policy.as_str().into()), &word);
        }
    }

    /// Makes overrides whose time is over inert, and has them removed.
    pub(crate) fn expire_overrides(&mut self, now: Now) {
        let due = self.overrides.iter_mut().filter(|(_, entry)| {
            !entry.expired && entry.expires.is_some_and(|moment| moment <= now.mono)
        });
        let mut concerned = Vec::new();
        for (key, entry) in due {
            entry.expired = true;
            self.effects.extend(entry.removal(now));
            concerned.extend(entry.spec.iter().map(|spec| {
                let policy: Key = (key.0.clone(), spec.policy.as_str().into());
                (policy, entry.word())
            }));
        }
        for (policy, word) in concerned {
            self.apply_overrides(now, &policy, &word);
        }
    }

    /// When the next override expires.
    pub(crate) fn next_expiry(&self) -> Option<Mono> {
        let standing = self.overrides.values().filter(|entry| !entry.expired);
        standing.filter_map(|entry| entry.expires).min()
    }

    /// Whoever leads anew removes what has expired meanwhile.
    pub(crate) fn remove_expired_overrides(&mut self, now: Now) {
        let expired = self.overrides.values().filter(|entry| entry.expired);
        let removals: Vec<Effect> = expired.flat_map(|entry| entry.removal(now)).collect();
        self.effects.extend(removals);
    }

    /// Applies what is ordered now, since one word of it is new, edited or over.
    fn apply_overrides(&mut self, now: Now, policy: &Key, word: &Word) {
        self.for_each_circuit(policy, |engine, uid| {
            engine.apply_overrides_to(now, policy, uid, word);
        });
    }

    pub(crate) fn apply_overrides_to(&mut self, now: Now, key: &Key, uid: &Arc<str>, word: &Word) {
        let Some(entry) = self.circuit(key, uid) else {
            return;
        };
        let order = self.ordered(now, key, &entry.object);
        let ordered = order.as_ref().map(|order| order.forced);
        if entry.breaker.forced == ordered {
            return;
        }
        if ordered == Some(Forced::Closed) && entry.breaker.latched {
            // The latch waits for a person, and here is one.
            self.step_and_freeze(now, key, uid, &Input::Reset, Cue::Override);
        }
        self.step_and_freeze(now, key, uid, &Input::Force(ordered), Cue::Override);
        let (why, word) = order.map_or_else(
            || {
                let why = "no CircuitOverride is in force any more".to_owned();
                (why, word.clone())
            },
            |order| (order.why, order.word),
        );
        self.tell_override(now, key, uid, ordered, &why, &word);
        if let Some(policy) = self.policies.get_mut(key) {
            policy.dirty = true;
        }
    }

    /// What people order for one circuit: an override of this object before one of the whole
    /// policy, and of several the most careful.
    fn ordered(&self, now: Now, policy: &Key, object: &str) -> Option<Order> {
        let from: Key = (policy.0.clone(), Arc::from(""));
        let standing = self
            .overrides
            .range(from..)
            .take_while(|(key, _)| key.0 == policy.0);
        let specs = standing
            .filter(|(_, entry)| entry.is_in_force(now))
            .filter_map(|(key, entry)| Some((key, entry, entry.spec.as_deref()?)));
        let concerning = specs.filter(|(_, _, spec)| *spec.policy == *policy.1);
        concerning
            .filter(|(_, _, spec)| spec.object.as_deref().is_none_or(|named| named == object))
            .max_by_key(|(_, _, spec)| (spec.object.is_some(), care(spec.state)))
            .map(|(key, entry, spec)| Order {
                forced: forced(spec.state),
                why: format!("by CircuitOverride {}: {}", key.1, spec.reason),
                word: entry.word(),
            })
    }
}

impl OverrideEntry {
    fn new(now: Now, meta: Meta, spec: Option<Arc<CircuitOverrideSpec>>) -> Self {
        let until = spec
            .as_ref()
            .map(|spec| crate::breaker::time::Wall(spec.until.millis()));
        let expired = until.is_some_and(|until| until <= now.wall);
        Self {
            meta,
            expires: until.map(|until| now.mono_of(until, LONGEST)),
            spec,
            expired: false,
            seen: true,
        }
        .expire(expired, now)
    }

    /// An override that came too late is due at once, and goes through the same door as any other.
    fn expire(mut self, expired: bool, now: Now) -> Self {
        if expired {
            self.expires = Some(now.mono);
        }
        self
    }

    /// Whether its time is not over. One that comes too late orders nothing, not even for a moment.
    fn is_in_force(&self, now: Now) -> bool {
        !self.expired && self.expires.is_none_or(|moment| now.mono < moment)
    }

    fn word(&self) -> Word {
        format!("{}/{}", self.meta.uid, self.meta.generation)
    }

    fn target(&self) -> Target {
        Target {
            namespace: self.meta.namespace.clone(),
            name: self.meta.name.clone(),
            uid: (&*self.meta.uid).into(),
        }
    }

    /// The order to remove it, and the line that says so.
    fn removal(&self, now: Now) -> [Effect; 2] {
        let (namespace, name) = (&self.meta.namespace, &self.meta.name);
        let line = Line {
            at: now.wall.0,
            action: Action::Effect,
            source: "effect",
            resource: format!("CircuitOverride.fusegate.io/{namespace}/{name}").into(),
            uid: (&*self.meta.uid).into(),
            operation: "RemoveOverride".into(),
            verdict: "Ordered",
            reason: "its time is over".into(),
            ..Line::default()
        };
        [
            Effect::Audit(Box::new(line)),
            Effect::RemoveOverride(self.target()),
        ]
    }

    fn acceptance(&self, now: Now, problems: Option<&Vec<String>>) -> Acceptance {
        let (reason, message) = match (problems, &self.spec) {
            (Some(problems), _) => ("InvalidSpec", problems.join("; ")),
            (None, Some(spec)) => (
                "InForce",
                format!("in force until {}: {}", spec.until, spec.reason),
            ),
            (None, None) => ("InvalidSpec", "the spec could not be read".to_owned()),
        };
        Acceptance {
            target: self.target(),
            generation: self.meta.generation,
            accepted: problems.is_none(),
            reason: reason.into(),
            message: message.into(),
            at: now.wall.0,
        }
    }
}

/// Of two orders for the same circuit, the one that lets less through wins.
fn care(state: OverrideState) -> u8 {
    match state {
        OverrideState::ForcedOpen => 2,
        OverrideState::Observe => 1,
        OverrideState::ForcedClosed => 0,
    }
}

/// No override outlives a year; a longer one is looked at again by then.
const LONGEST: Span = Span::from_secs(365 * 24 * 3_600);
