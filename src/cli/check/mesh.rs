//! The mesh allowance: what a policy would publish for the given objects although its contract does not allow it.

use std::collections::BTreeSet;

use crate::breaker::circuit::StateName;
use crate::cli::check::item::{Item, Usable};
use crate::policy::contribution::{Enforcement, Named, contribution};
use crate::source::dir::entry::Known;
use crate::spec::policy::Policy;

/// What the contract refuses; once each, whatever the number of objects.
pub(super) fn refusals(
    policy: &Policy,
    namespace: &str,
    usable: &Usable,
    items: &[Item<'_>],
) -> Vec<String> {
    let mut refused = BTreeSet::new();
    for name in selected(policy, namespace, usable, items) {
        let object = Named { namespace, name };
        let (_, refusals) = contribution(&policy.plan, &usable.allowance, object, OPEN, &[]);
        refused.extend(refusals);
    }
    refused
        .into_iter()
        .map(|refusal| format!("{}: {}", refusal.field, refusal.message))
        .collect()
}

/// The state in which a policy publishes most.
const OPEN: Enforcement = Enforcement {
    state: StateName::Open,
    admit_percent: 0,
    sheds: true,
};

fn selected<'a>(
    policy: &'a Policy,
    namespace: &'a str,
    usable: &'a Usable,
    items: &'a [Item<'_>],
) -> impl Iterator<Item = &'a str> {
    items
        .iter()
        .filter_map(move |item| match &item.entry.known {
            Known::Object(meta)
                if item.entry.key.kind == usable.kind
                    && (&*meta.namespace == namespace || meta.namespace.is_empty())
                    && policy
                        .selector
                        .matches(|key| meta.labels.get(key).map(String::as_str)) =>
            {
                Some(&*meta.name)
            }
            _ => None,
        })
}
