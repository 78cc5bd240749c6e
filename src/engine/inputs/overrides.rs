//! The override event: accepts, expires and removes overrides.

use fusegate_crds::CircuitOverrideSpec;

use crate::breaker::time::Now;
use crate::engine::outputs::audit;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::key::{Key, key};
use crate::engine::state::override_entry::OverrideEntry;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::effect::Effect;
use crate::wire::event::Document;

impl OverrideEntry {
    /// The order to remove it, and the line that says so.
    fn removal(&self, now: Now) -> [Effect; 2] {
        let (namespace, name) = (&self.meta.namespace, &self.meta.name);
        let resource = format!("CircuitOverride.fusegate.io/{namespace}/{name}");
        let why = "its time is over".to_owned();
        let line = Line {
            uid: (&*self.meta.uid).into(),
            ..audit::effect(
                now,
                Operation::RemoveOverride,
                Verdict::Ordered,
                resource,
                why,
            )
        };
        [
            Effect::Audit(Box::new(line)),
            Effect::RemoveOverride(self.target()),
        ]
    }
}

impl Engine {
    pub(crate) fn apply_override(&mut self, now: Now, document: Document<CircuitOverrideSpec, ()>) {
        let key = key(&document.meta);
        let before = self.state.overrides.remove(&key);
        let concerned = before
            .and_then(|before| before.spec.ok())
            .map(|spec| spec.policy.clone());
        let entry = OverrideEntry::new(now, document.meta, document.spec);
        let target = entry.spec.as_ref().ok().map(|spec| spec.policy.clone());
        let revision = entry.revision();
        self.state.overrides.insert(key.clone(), entry);
        self.out.mark(Dirty::Override(&key));
        for policy in [concerned, target].into_iter().flatten() {
            self.apply_overrides(now, &(key.0.clone(), policy.into()), &revision);
        }
    }

    pub(crate) fn delete_override(&mut self, now: Now, key: &Key) {
        let Some(removed) = self.state.overrides.remove(key) else {
            return;
        };
        self.out.mark(Dirty::Override(key));
        let revision = removed.revision();
        if let Ok(spec) = removed.spec {
            self.apply_overrides(
                now,
                &(key.0.clone(), spec.policy.as_str().into()),
                &revision,
            );
        }
    }

    /// Makes overrides whose time is over inert, and has them removed.
    pub(crate) fn expire_overrides(&mut self, now: Now) {
        let due = self.state.overrides.iter_mut().filter(|(_, entry)| {
            !entry.expired && entry.expires.is_some_and(|moment| moment <= now.mono)
        });
        let mut concerned = Vec::new();
        for (key, entry) in due {
            entry.expired = true;
            self.out.effects.extend(entry.removal(now));
            concerned.extend(entry.spec.iter().map(|spec| {
                let policy: Key = (key.0.clone(), spec.policy.as_str().into());
                (policy, entry.revision())
            }));
        }
        for (policy, revision) in concerned {
            self.apply_overrides(now, &policy, &revision);
        }
    }

    /// Whoever leads anew removes what has expired meanwhile.
    pub(crate) fn remove_expired_overrides(&mut self, now: Now) {
        let expired = self.state.overrides.values().filter(|entry| entry.expired);
        let removals: Vec<Effect> = expired.flat_map(|entry| entry.removal(now)).collect();
        self.out.effects.extend(removals);
    }
}
