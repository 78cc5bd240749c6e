//! Freezing: the expression that holds for a CRD's bad spec, and for no other.
//!
//! A whole schema would be too long, so it is told by its differences from the live one: where both agree, the new object
//! must be as the old one, and where they differ, as the bad one. So whatever mends a schema passes, however little it changes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::admission::cel;

/// The longest expression; the API server parses none of more than 100,000 characters.
const MOST: usize = 50_000;

/// What controllers inject into a CRD, which is no part of its schema.
const INJECTED: &str = "/conversion/webhook/clientConfig/caBundle";

/// Whether the spec `new` is the bad one, given that `old` is the live one; `None` where that takes too long to say.
pub(super) fn is_bad(new: &str, old: &str, live: &Value, bad: &Value) -> Option<String> {
    let mut conditions = Vec::new();
    compare(&Pair { new, old, path: "" }, live, bad, &mut conditions);
    let expression = conditions.join(" && ");
    (expression.len() <= MOST).then_some(expression)
}

/// Two expressions for what stands at one path.
struct Pair<'a> {
    new: &'a str,
    old: &'a str,
    path: &'a str,
}

impl Pair<'_> {
    /// Whether a value here holds what controllers inject.
    fn leads_to_injected(&self, value: &Value) -> bool {
        let rest = INJECTED.strip_prefix(self.path);
        let parent = rest.and_then(|rest| rest.rsplit_once('/'));
        parent.is_some_and(|(parent, _)| value.pointer(parent).is_some_and(Value::is_object))
    }

    /// The same for a member.
    fn within<T>(&self, member: &str, name: &str, then: impl FnOnce(&Pair<'_>) -> T) -> T {
        let (new, old) = (
            format!("{}[{member}]", self.new),
            format!("{}[{member}]", self.old),
        );
        let path = format!("{}/{name}", self.path);
        then(&Pair {
            new: &new,
            old: &old,
            path: &path,
        })
    }
}

fn compare(pair: &Pair<'_>, live: &Value, bad: &Value, conditions: &mut Vec<String>) {
    match (live, bad) {
        _ if live == bad && !pair.leads_to_injected(live) => {
            conditions.push(format!("{} == {}", pair.new, pair.old));
        }
        (Value::Object(live), Value::Object(bad)) => objects(pair, live, bad, conditions),
        (Value::Array(live), Value::Array(bad)) if live.len() == bad.len() => {
            lists(pair, live, bad, conditions);
        }
        _ => conditions.push(format!("{} == {}", pair.new, cel::literal(bad))),
    }
}

fn objects(
    pair: &Pair<'_>,
    live: &Map<String, Value>,
    bad: &Map<String, Value>,
    conditions: &mut Vec<String>,
) {
    let (new, old) = (pair.new, pair.old);
    let bundle = INJECTED
        .strip_prefix(pair.path)
        .and_then(|rest| rest.strip_prefix('/'));
    let names: BTreeSet<&str> = live
        .keys()
        .chain(bad.keys())
        .map(String::as_str)
        .chain(bundle.filter(|rest| !rest.contains('/')))
        .collect();
    let injected = |name: &str| bundle == Some(name);
    let differs = |name: &str| {
        let leads = |value: &Value| pair.within("", name, |pair| pair.leads_to_injected(value));
        injected(name) || live.get(name) != bad.get(name) || live.get(name).is_some_and(leads)
    };
    let differing: Vec<&str> = names.into_iter().filter(|name| differs(name)).collect();
    let set = cel::strings(differing.iter().copied());
    conditions.push(format!(
        "type({new}) == map && {new}.all(k, k in {set} || (k in {old} && {new}[k] == {old}[k])) \
         && {old}.all(k, k in {set} || k in {new})"
    ));
    for name in differing.into_iter().filter(|name| !injected(name)) {
        let member = cel::quote(name);
        match (live.get(name), bad.get(name)) {
            (_, None) => conditions.push(format!("!({member} in {new})")),
            (None, Some(bad)) => conditions.push(format!(
                "{member} in {new} && {new}[{member}] == {}",
                cel::literal(bad)
            )),
            (Some(live), Some(bad)) => {
                conditions.push(format!("{member} in {new}"));
                pair.within(&member, name, |pair| compare(pair, live, bad, conditions));
            }
        }
    }
}

fn lists(pair: &Pair<'_>, live: &[Value], bad: &[Value], conditions: &mut Vec<String>) {
    let new = pair.new;
    conditions.push(format!(
        "type({new}) == list && size({new}) == {}",
        bad.len()
    ));
    for (index, (live, bad)) in live.iter().zip(bad).enumerate() {
        let index = index.to_string();
        pair.within(&index, &index, |pair| {
            compare(pair, live, bad, conditions);
        });
    }
}
