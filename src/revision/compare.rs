//! A comparison: every difference between two schemas of a CRD, each judged by one rule.
//!
//! Each rule takes away what it has judged, and whatever remains is not understood: the design of
//! crdify, whose rules keep their names here.
//! Beyond crdify it judges served versions that go, subresources, conversion, CEL rules, list and map
//! types, and changes within `additionalProperties` at their own path.
//! A rollback is a comparison with the live schema as the old one.

mod keyword;
mod schema;
mod served;
mod version;

use serde_json::Value;

use crate::revision::canonical;
use crate::revision::change::{Changes, Judgment};

/// Every change in going from the spec `old` to the spec `new`.
///
/// `stored` are the versions in which objects may be stored (`status.storedVersions`), where that is known.
#[must_use]
pub fn compare(old: &Value, new: &Value, stored: Option<&[String]>) -> Changes {
    let mut found = Changes::default();
    let (old, new) = (canonical::spec(old), canonical::spec(new));
    fields(
        "",
        &old,
        &new,
        &mut found,
        |found, key, old, new| match key {
            "names" => names(found, old, new),
            "versions" => version::versions(found, old, new, stored),
            _ => found.values(key, whole(key, new), key, old, new),
        },
    );
    served::compare(&mut found, &old, &new);
    found
}

/// Calls `judge` for every field in which two objects differ.
fn fields(
    path: &str,
    old: &Value,
    new: &Value,
    found: &mut Changes,
    mut judge: impl FnMut(&mut Changes, &str, Option<&Value>, Option<&Value>),
) {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return found.values(path, Judgment::unhandled(), "it", Some(old), Some(new));
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let (before, after) = (old.get(key), new.get(key));
        if before != after {
            judge(found, key, before, after);
        }
    }
}

/// What concerns the definition as a whole.
fn whole(key: &str, new: Option<&Value>) -> Judgment {
    match key {
        "scope" => Judgment::harmful("scope", REFUSED),
        "group" => Judgment::harmful("group", REFUSED),
        "conversion" => Judgment::harmful(
            "conversion",
            "while a conversion fails, objects can be neither read nor written nor deleted",
        ),
        "preserveUnknownFields" if new.is_none() => Judgment::objects(
            "preserveUnknownFields",
            "fields that the schema doesn't name are pruned at an object's next write",
        ),
        "preserveUnknownFields" => Judgment::harmful("preserveUnknownFields", REFUSED),
        _ => Judgment::unhandled(),
    }
}

const REFUSED: &str = "the API server refuses this change";

fn names(found: &mut Changes, old: Option<&Value>, new: Option<&Value>) {
    let (Some(old), Some(new)) = (old, new) else {
        return found.values("names", Judgment::unhandled(), "names", old, new);
    };
    fields("names", old, new, found, |found, key, old, new| {
        let judgment = match key {
            "shortNames" | "categories" | "singular" => {
                Judgment::safe("names", "only commands for people use it")
            }
            "kind" | "plural" => Judgment::harmful("names", REFUSED),
            "listKind" => Judgment::harmful("names", "typed clients decode lists by it"),
            _ => Judgment::unhandled(),
        };
        found.values(&format!("names.{key}"), judgment, key, old, new);
    });
}

#[cfg(test)]
mod tests;
