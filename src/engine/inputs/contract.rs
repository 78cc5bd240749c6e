//! The contract event: compiles the contract, and lowers its policies anew.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionContractStatus};

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{admission, revision};
use crate::engine::parts::Engine;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::objects::Objects;
use crate::wire::event::{Document, Feed, GroupKind};

impl Engine {
    pub(crate) fn apply_contract(
        &mut self,
        now: Now,
        document: Document<ConditionContractSpec, ConditionContractStatus>,
    ) {
        let name = document.meta.name.clone();
        let before = self.state.contracts.remove(&name);
        if before
            .as_ref()
            .is_some_and(|before| before.meta.uid != document.meta.uid)
        {
            self.out.contracts.remove(&name);
        }
        let mut entry = ContractEntry::new(document.meta, before);
        if let Some(status) = document.status {
            entry.observe_status(&status);
            let sent = self.out.contract(&name);
            if sent.conditions.is_empty() {
                sent.conditions.clone_from(&status.conditions);
            }
        }
        let changed = match document.spec {
            Ok(spec) if entry.spec.as_ref() == Some(&spec) => {
                entry.rejected = None;
                entry.waiting = None;
                false
            }
            Ok(spec) => self.compile_contract(&mut entry, spec),
            Err(reasons) => {
                entry.rejected = Some(reasons.join("; ").into());
                entry.waiting = None;
                false
            }
        };
        self.keep_contract(now, entry, changed);
        if changed {
            self.retry_contracts(now);
        }
        self.out.mark(Dirty::Readiness);
    }

    /// What is published stays, until the policies that asked for it go.
    pub(crate) fn delete_contract(&mut self, now: Now, name: &str) {
        if let Some(entry) = self.state.contracts.remove(name) {
            if self.state.settings.keeps_contracts() {
                admission::forget(&mut self.out, now, &entry);
            }
            self.out.webhook.stale = true;
            self.out.contracts.remove(name);
            self.out.stale.contract_views.insert(name.into());
            self.out.mark(Dirty::Queries);
            if let Some(kind) = &entry.kind {
                self.outdate_objects(kind);
            }
            self.relower_contracted(now, name);
            if let Some(kind) = &entry.kind {
                self.out.mark(Dirty::Kind(kind));
            }
            self.retry_contracts(now);
            if let Some(kind) = &entry.kind {
                self.release_objects(kind);
            }
        }
    }

    /// Compiles a spec, unless another contract judges its kind: objects are read once, by one
    /// contract, and rules name conditions by their place in it.
    fn compile_contract(
        &self,
        entry: &mut ContractEntry,
        spec: Arc<ConditionContractSpec>,
    ) -> bool {
        entry.waiting = None;
        if !self.state.listed.contains(&Feed::Contracts) && entry.had_its_kind != Some(true) {
            // Another one that is not listed yet may have the kind, and the order of a list must not decide.
            entry.waiting = Some(spec);
            return false;
        }
        let kind = GroupKind::new(spec.target.group.as_str(), spec.target.kind.as_str());
        let owner = self
            .state
            .contract_of(&kind)
            .filter(|owner| owner.meta.name != entry.meta.name);
        let Some(owner) = owner else {
            return entry.compile(spec);
        };
        entry.rejected = Some(
            format!(
                "spec.target: {kind} is contracted by ConditionContract \"{}\" already; \
                 a kind has one contract: delete one of the two, and the other is accepted by itself",
                owner.meta.name
            )
            .into(),
        );
        entry.waiting = Some(spec);
        false
    }

    fn keep_contract(&mut self, now: Now, entry: ContractEntry, changed: bool) {
        let (name, kind) = (entry.meta.name.clone(), entry.kind.clone());
        let judges = entry.compiled.is_some();
        self.state.contracts.insert(name.clone(), entry);
        self.out.mark(Dirty::Contract(&name));
        if !judges {
            // Its policies say why they are not in force, and that is news to them.
            self.relower_contracted(now, &name);
        }
        if let Some(kind) = &kind {
            self.state.kinds.entry(kind.clone()).or_default();
        }
        if changed {
            self.out.mark(Dirty::Queries);
            if let Some(kind) = &kind {
                self.outdate_objects(kind);
            }
            self.relower_contracted(now, &name);
            if let Some(kind) = &kind {
                revision::record(&self.state, &mut self.out, now, kind);
            }
        }
    }

    /// Gives contracts that waited for their kind another chance, now that one has let go of it.
    pub(crate) fn retry_contracts(&mut self, now: Now) {
        let waiting = self.state.contracts.iter();
        let waiting = waiting.filter(|(_, entry)| entry.waiting.is_some());
        for name in waiting.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let Some(mut entry) = self.state.contracts.remove(&name) else {
                continue;
            };
            let spec = entry.waiting.take();
            let changed = spec.is_some_and(|spec| self.compile_contract(&mut entry, spec));
            self.keep_contract(now, entry, changed);
        }
    }

    /// What was read by other words is no evidence any more. The source tells every object again.
    fn outdate_objects(&mut self, kind: &GroupKind) {
        let objects = self
            .state
            .kinds
            .get_mut(kind)
            .map(|entry| &mut entry.objects);
        for object in objects.into_iter().flat_map(Objects::values_mut) {
            object.outdated = true;
        }
    }

    fn relower_contracted(&mut self, now: Now, name: &str) {
        let concerned = self.state.policies.iter();
        let concerned = concerned.filter(|(_, policy)| policy.contract() == Some(name));
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<Key>>() {
            self.relower(now, &key);
        }
    }
}
