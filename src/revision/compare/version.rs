//! The versions of a definition: which are there, which are served, which is stored.

use serde_json::Value;

use crate::revision::change::{Changes, Judgment};
use crate::revision::compare::{fields, schema};

/// Judges the lists of versions.
pub(super) fn versions(
    found: &mut Changes,
    old: Option<&Value>,
    new: Option<&Value>,
    stored: Option<&[String]>,
) {
    let (Some(Value::Array(old)), Some(Value::Array(new))) = (old, new) else {
        return found.values("versions", Judgment::unhandled(), "versions", old, new);
    };
    for before in old {
        let path = path(before);
        match new.iter().find(|after| name(after) == name(before)) {
            Some(after) => version(found, &path, before, after),
            None => removed(found, &path, before, stored),
        }
    }
    let known = |after: &Value| old.iter().any(|before| name(before) == name(after));
    for after in new.iter().filter(|after| !known(after)) {
        added(found, &path(after), after);
    }
}

pub(super) fn name(version: &Value) -> &str {
    version.get("name").and_then(Value::as_str).unwrap_or("")
}

pub(super) fn is_served(version: &Value) -> bool {
    version.get("served") == Some(&Value::Bool(true))
}

pub(super) fn openapi(version: &Value) -> Option<&Value> {
    version.get("schema")?.get("openAPIV3Schema")
}

fn path(version: &Value) -> String {
    format!("versions[{}]", name(version))
}

fn removed(found: &mut Changes, path: &str, version: &Value, stored: Option<&[String]>) {
    let judgment = match stored {
        Some(stored) if stored.iter().any(|stored| stored == name(version)) => Judgment::harmful(
            "storedVersionRemoval",
            "objects may be stored in this version, and the API server refuses its removal",
        ),
        _ if is_served(version) => NO_LONGER_SERVED,
        Some(_) => Judgment::safe("versionRemoval", "it is neither served nor stored"),
        None => Judgment::objects(
            "storedVersionRemoval",
            "the API server refuses it while status.storedVersions names this version",
        ),
    };
    found.push(path, judgment, "the version would be removed".to_owned());
}

const NO_LONGER_SERVED: Judgment = Judgment::harmful(
    "servedVersionRemoval",
    "clients that use this version get errors",
);

fn added(found: &mut Changes, path: &str, version: &Value) {
    let judgment = if is_served(version) {
        Judgment::objects(
            "versionAddition",
            "every object is served in this version too, so it must fit its schema",
        )
    } else {
        Judgment::safe(
            "versionAddition",
            "nobody can use a version that is not served",
        )
    };
    found.push(path, judgment, "the version would be added".to_owned());
}

fn version(found: &mut Changes, path: &str, old: &Value, new: &Value) {
    fields(path, old, new, found, |found, key, before, after| {
        let judgment = match key {
            "schema" => return schema_of(found, path, old, new),
            "subresources" => return subresources(found, path, before, after),
            "selectableFields" => return selectable(found, path, before, after),
            "additionalPrinterColumns" => {
                Judgment::safe("printerColumns", "only commands for people show it")
            }
            "deprecated" | "deprecationWarning" => {
                Judgment::safe("deprecation", "it only warns people")
            }
            "served" if is_served(new) => Judgment::objects(
                "versionAddition",
                "every object is served in this version too, so it must fit its schema",
            ),
            "served" => NO_LONGER_SERVED,
            "storage" => Judgment::objects(
                "storageVersion",
                "stored objects stay in their version until each is written again",
            ),
            _ => Judgment::unhandled(),
        };
        found.values(path, judgment, key, before, after);
    });
}

fn schema_of(found: &mut Changes, path: &str, old: &Value, new: &Value) {
    match (openapi(old), openapi(new)) {
        (Some(before), Some(after)) => schema::compare(found, path, before, after),
        _ => found.values(
            path,
            Judgment::unhandled(),
            "schema",
            old.get("schema"),
            new.get("schema"),
        ),
    }
}

fn subresources(found: &mut Changes, path: &str, old: Option<&Value>, new: Option<&Value>) {
    let none = Value::Object(serde_json::Map::new());
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    fields(path, old, new, found, |found, key, before, after| {
        let judgment = match (key, before, after) {
            ("status", Some(_), None) => Judgment::harmful(
                "subresources",
                "/status disappears, and status becomes writable through the object itself",
            ),
            ("status", None, _) => Judgment::clients(
                "subresources",
                "a status that is not written through /status is ignored from then on",
            ),
            ("scale", None, _) => {
                Judgment::safe("subresources", "/scale is new, so nobody uses it")
            }
            ("scale", ..) => Judgment::harmful("subresources", "autoscalers use /scale"),
            _ => Judgment::unhandled(),
        };
        let path = format!("{path}.subresources");
        found.values(&path, judgment, key, before, after);
    });
}

fn selectable(found: &mut Changes, path: &str, old: Option<&Value>, new: Option<&Value>) {
    let list = |value: Option<&Value>| {
        let list = value.and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let kept = list(new);
    let judgment = if list(old).iter().all(|field| kept.contains(field)) {
        Judgment::safe("selectableFields", "fields can only be selected by more")
    } else {
        Judgment::harmful(
            "selectableFields",
            "clients that select by a field that goes get errors",
        )
    };
    found.values(path, judgment, "selectableFields", old, new);
}
