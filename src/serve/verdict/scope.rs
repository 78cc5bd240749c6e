//! The scope of a question: which circuits of a policy it is about, and whether all that it names exists.

use std::sync::Arc;

use crate::serve::verdict::nearest::nearest;
use crate::serve::verdict::query::{Mistake, Query};
use crate::wire::view::{CircuitView, PolicyView};

type Entry<'a> = (&'a Arc<str>, &'a Arc<CircuitView>);

/// The circuits asked for, by object.
pub(super) struct Scope<'a>(Box<dyn Iterator<Item = Entry<'a>> + 'a>);

impl<'a> Scope<'a> {
    pub(super) fn new(policy: &'a PolicyView, query: &Query<'a>) -> Self {
        let selector = query.selector;
        let selected = move |(_, circuit): &Entry<'a>| {
            selector.is_none_or(|selector| selector.matches(&circuit.labels))
        };
        if query.objects.is_empty() {
            return Self(Box::new(policy.circuits.iter().filter(selected)));
        }
        let named = query.objects.iter();
        let named = named.filter_map(|name| policy.circuits.get_key_value(*name));
        Self(Box::new(named.filter(selected)))
    }
}

impl<'a> Iterator for Scope<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// What the question names and the policy does not have, if anything.
pub(super) fn mistake(policy: &PolicyView, query: &Query<'_>) -> Option<Mistake> {
    let mut named = query.objects.iter();
    if let Some(absent) = named.find(|name| !policy.circuits.contains_key(**name)) {
        let meant = nearest(absent, policy.circuits.keys());
        return Some(Mistake::Object((*absent).into(), meant.cloned()));
    }
    let (condition, (_, any)) = query.condition.zip(policy.circuits.iter().next())?;
    let judged = || any.rules().map(|rule| rule.condition);
    if judged().any(|key| **key == *condition) {
        return None;
    }
    Some(Mistake::Rule(nearest(condition, judged()).cloned()))
}
