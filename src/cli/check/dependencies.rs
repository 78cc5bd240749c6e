//! Dependencies: where a policy's `dependsOn` leads back to it.

use std::sync::Arc;

use fusegate_crds::CircuitPolicySpec;

use crate::cli::check::item::Item;
use crate::source::dir::entry::Known;
use crate::spec::dependency::{self, Name, named};

/// What is wrong with what a policy depends on, as far as the given documents tell: it may well name one that is not among them.
pub(super) fn circle(
    item: &Item<'_>,
    spec: &Arc<CircuitPolicySpec>,
    items: &[Item<'_>],
) -> Option<String> {
    if spec.depends_on.is_empty() {
        return None;
    }
    let specs = items.iter().filter_map(|item| match &item.entry.known {
        Known::Policy(policy) => Some((name(item), policy.spec.as_ref().ok()?)),
        _ => None,
    });
    let specs: Vec<_> = specs.collect();
    dependency::circle(&name(item), |from| {
        let found = specs.iter().find(|(name, _)| name == from);
        found.map_or_else(Vec::new, |(_, spec)| named(spec, &from.0))
    })
}

fn name(item: &Item<'_>) -> Name {
    let key = &item.entry.key;
    (Arc::from(&*key.namespace), Arc::from(&*key.name))
}
