//! An override: what a person ordered, and until when.

use std::sync::Arc;

use fusegate_crds::CircuitOverrideSpec;

use crate::breaker::circuit::Forced;
use crate::breaker::time::{Mono, Now, Span};
use crate::wire::effect::Target;
use crate::wire::event::Meta;

/// What a person orders for a circuit, and in which words.
pub(crate) struct Order {
    pub(crate) forced: Option<Forced>,
    pub(crate) why: String,
    pub(crate) revision: OverrideRevision,
}

#[derive(Debug)]
pub(crate) struct OverrideEntry {
    pub(crate) meta: Meta,
    /// What was ordered, or why that can't be read.
    pub(crate) spec: Result<Arc<CircuitOverrideSpec>, Vec<String>>,
    pub(crate) expires: Option<Mono>,
    pub(crate) expired: bool,
    pub(crate) seen: bool,
}

/// What a person wrote at one time, as Events know it: the same after a restart, another one once it is edited.
pub(crate) type OverrideRevision = String;

/// No override outlives a year; a longer one is looked at again by then.
const LONGEST: Span = Span::from_secs(365 * 24 * 3_600);

impl OverrideEntry {
    pub(crate) fn new(
        now: Now,
        meta: Meta,
        spec: Result<Arc<CircuitOverrideSpec>, Vec<String>>,
    ) -> Self {
        let read = spec.as_ref().ok();
        let until = read.map(|spec| crate::breaker::time::Wall(spec.until.millis()));
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
    pub(crate) fn is_in_force(&self, now: Now) -> bool {
        !self.expired && self.expires.is_none_or(|moment| now.mono < moment)
    }

    pub(crate) fn revision(&self) -> OverrideRevision {
        format!("{}/{}", self.meta.uid, self.meta.generation)
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            namespace: self.meta.namespace.clone(),
            name: self.meta.name.clone(),
            uid: (&*self.meta.uid).into(),
        }
    }
}
