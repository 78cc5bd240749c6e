//! Pairs of served versions: what an object loses on its way from one to the other.
//!
//! Without a conversion webhook an object is the same in every version, and is judged by each schema.
//! Only what is new counts: a pair that differed in the old definition differs no worse for it.

use serde_json::Value;

use crate::revision::change::{Changes, Class, Condition, Judgment};
use crate::revision::compare::schema;
use crate::revision::compare::version::{is_served, name, openapi};

/// Judges each pair of served versions of the new definition.
pub(super) fn compare(found: &mut Changes, old: &Value, new: &Value) {
    let webhook = new.pointer("/conversion/strategy").and_then(Value::as_str) == Some("Webhook");
    for (one, other) in pairs(new) {
        let known = pair(old, name(one), name(other))
            .map(|(one, other)| differences(one, other))
            .unwrap_or_default();
        let path = format!("versions[{} → {}]", name(one), name(other));
        let mut fresh = differences(one, other).listed;
        fresh.retain(|change| change.class != Class::Safe && !known.listed.contains(change));
        if webhook && !fresh.is_empty() {
            let judgment = Judgment::clients(
                "servedVersions",
                "the conversion webhook must make up for what differs",
            );
            found.push(&path, judgment, format!("{} differences", fresh.len()));
            continue;
        }
        for change in fresh {
            let judgment = Judgment {
                rule: change.rule,
                class: change.class.max(Class::Conditional(Condition::Objects)),
                reason: "one object is served in both versions, and its writers meet both schemas",
            };
            let message = format!("from one version to the other, {}", change.message);
            found.push(&format!("{path}{}", change.path), judgment, message);
        }
    }
}

fn differences(one: &Value, other: &Value) -> Changes {
    let mut found = Changes::default();
    if let (Some(one), Some(other)) = (openapi(one), openapi(other)) {
        schema::compare(&mut found, "", one, other);
    }
    found
}

/// Each served version with each that is newer, as Kubernetes orders versions.
fn pairs(spec: &Value) -> Vec<(&Value, &Value)> {
    let mut served: Vec<_> = versions(spec)
        .filter(|version| is_served(version))
        .collect();
    served.sort_by_key(|version| age(name(version)));
    let newer = |at: usize| served.iter().skip(at + 1);
    let served_with_newer = served.iter().enumerate();
    served_with_newer
        .flat_map(|(at, one)| newer(at).map(move |other| (*one, *other)))
        .take(MAX_PAIRS)
        .collect()
}

/// The most pairs that are compared: those of twenty versions, where three are many.
const MAX_PAIRS: usize = 190;

/// The order of versions, oldest first: others by name, then alpha, beta, and the rest by number.
/// Source: Kubernetes documentation, "Version priority".
fn age(name: &str) -> (u8, u64, u64, &str) {
    let parse = |text: &str| text.parse::<u64>().ok();
    let parsed = name.strip_prefix('v').and_then(|rest| {
        let split = |word| rest.split_once(word);
        match (split("alpha"), split("beta")) {
            (Some((major, minor)), _) => Some((1, parse(major)?, parse(minor)?)),
            (_, Some((major, minor))) => Some((2, parse(major)?, parse(minor)?)),
            _ => Some((3, parse(rest)?, 0)),
        }
    });
    let (stage, major, minor) = parsed.unwrap_or((0, 0, 0));
    (stage, major, minor, name)
}

fn pair<'a>(spec: &'a Value, one: &str, other: &str) -> Option<(&'a Value, &'a Value)> {
    let find =
        |wanted: &str| versions(spec).find(|version| is_served(version) && name(version) == wanted);
    Some((find(one)?, find(other)?))
}

fn versions(spec: &Value) -> impl Iterator<Item = &Value> {
    let versions = spec.get("versions").and_then(Value::as_array);
    versions.into_iter().flatten()
}
