//! Programmed: how far what a policy publishes has reached the proxies, and what of it they refuse.

use std::sync::Arc;

use crate::engine::outputs::publisher::Publisher;
use crate::engine::outputs::status::conditions::{ConditionDraft, draft};
use crate::engine::state::key::Key;
use crate::engine::state::policy::PolicyEntry;
use crate::policy::layer::LayerName;
use crate::wire::event::{Programmed, RefusedKey};

/// How many characters of a proxy's words are quoted.
const MAX_QUOTE: usize = 1_024;

/// What proxies hold of the policy's layer; `None` while nothing is published in it, or nothing is known yet.
pub(super) fn counts<'a>(publisher: &'a Publisher, policy: &PolicyEntry) -> Option<&'a Programmed> {
    let layer = &policy.lowered.as_ref()?.plan.layer;
    let is_empty = !publisher.published.contains(layer);
    publisher.programmed.get(layer).filter(|_| !is_empty)
}

/// The condition, once proxies have said anything of the layer.
pub(super) fn condition(
    publisher: &Publisher,
    key: &Key,
    policy: &PolicyEntry,
) -> Option<ConditionDraft> {
    let layer = &policy.lowered.as_ref()?.plan.layer;
    let known = publisher.programmed.get(layer)?;
    if !publisher.published.contains(layer) {
        let message = format!("layer {layer} is empty: no circuit publishes anything in it");
        return Some(draft("Programmed", true, "NothingPublished", message));
    }
    Some(of(known, &refusals(publisher, key, policy, layer)))
}

fn of(programmed: &Programmed, refused: &[String]) -> ConditionDraft {
    let proxies = programmed.proxies;
    // Who holds all but keys of others holds what this policy publishes.
    let partly = if refused.is_empty() {
        programmed.partly
    } else {
        0
    };
    let held = programmed.acked + partly;
    let counted = format!(
        "{held} of {proxies} proxies hold layer {}",
        programmed.layer
    );
    if let Some(first) = refused.first() {
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("{counted}; {first}{more}");
        return draft("Programmed", false, "Rejected", message);
    }
    match &programmed.rejected {
        Some(text) => draft(
            "Programmed",
            false,
            "Rejected",
            format!("{counted}; one answers: {text}"),
        ),
        None if proxies == 0 => draft("Programmed", false, "NoProxies", counted),
        None if held < proxies => draft("Programmed", false, "Pending", counted),
        None => draft("Programmed", true, "Acked", counted),
    }
}

/// What of a policy's own is refused, in words: every key of a layer knows the circuits that desire it.
fn refusals(
    publisher: &Publisher,
    key: &Key,
    policy: &PolicyEntry,
    layer: &LayerName,
) -> Vec<String> {
    let prefix = format!("{}/{}/", key.0, key.1);
    let mut refusals = Vec::new();
    for layer in [layer, &layer.conditions()] {
        let known = publisher.programmed.get(layer);
        for refused in known.into_iter().flat_map(|known| &known.refused) {
            let owners = publisher.layers.owners(layer, &refused.key);
            let uids = owners.filter_map(|owner| owner.0.strip_prefix(&prefix));
            let circuits = uids.filter_map(|uid| policy.circuits.get(uid));
            refusals.extend(circuits.map(|circuit| refusal(refused, &circuit.object)));
        }
    }
    refusals
}

/// One key that a proxy refuses, in words.
fn refusal(refused: &RefusedKey, object: &Arc<str>) -> String {
    let RefusedKey { key, node, message } = refused;
    let text: String = message.chars().take(MAX_QUOTE).collect();
    format!("{node} refuses {key} of object {object}, and holds the rest: {text}")
}
