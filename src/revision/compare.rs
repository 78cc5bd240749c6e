//! A difference: something that going from the live schema to the target would change, and that isn't
//! known to be harmless to stored objects or to clients.
//!
//! Each rule takes away what it has judged; whatever no rule knows remains, and is a difference.
//! So it fails closed: a keyword of tomorrow's Kubernetes blocks until someone has thought about it.
//! Harmless is only text for people, what columns and short names show, validation that gets looser,
//! and a new optional property without a default.

mod schema;

use serde_json::Value;

use crate::revision::canonical;

/// The most differences named; a schema can differ in thousands of places.
pub const MAX_DIFFERENCES: usize = 64;

/// Something that is not known to be harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `versions[v1].spec.replicas`, at most a few hundred bytes.
    pub path: String,
    /// What would change there, live to target.
    pub message: String,
}

/// Whether a CRD may go from the `spec` that is live to that of `target` without
/// harm to stored objects or clients.
///
/// # Errors
///
/// The differences that are not known to be harmless, at most [`MAX_DIFFERENCES`].
pub fn harmless(live: &Value, target: &Value) -> Result<(), Vec<Difference>> {
    let mut found = Differences::default();
    let (live, target) = (canonical::spec(live), canonical::spec(target));
    found.fields("", &live, &target, |found, key, live, target| match key {
        "names" => names(found, live, target),
        "versions" => versions(found, live, target),
        _ => found.changed(key, live, target),
    });
    if found.0.is_empty() {
        Ok(())
    } else {
        Err(found.0)
    }
}

/// What has been found so far.
#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn push(&mut self, path: &str, message: String) {
        if self.0.len() < MAX_DIFFERENCES {
            self.0.push(Difference {
                path: shown(path, 200),
                message,
            });
        }
    }

    /// Calls `judge` for every field in which two objects differ.
    fn fields(
        &mut self,
        path: &str,
        live: &Value,
        target: &Value,
        mut judge: impl FnMut(&mut Self, &str, Option<&Value>, Option<&Value>),
    ) {
        let (Value::Object(live), Value::Object(target)) = (live, target) else {
            return self.changed(path, Some(live), Some(target));
        };
        let added = target.keys().filter(|key| !live.contains_key(*key));
        for key in live.keys().chain(added) {
            let (before, after) = (live.get(key), target.get(key));
            if before != after {
                judge(self, key, before, after);
            }
        }
    }

    /// Names a change that no rule clears.
    fn changed(&mut self, path: &str, live: Option<&Value>, target: Option<&Value>) {
        let message = match (live, target) {
            (Some(live), Some(target)) => {
                format!("would go from {} to {}", brief(live), brief(target))
            }
            (Some(live), None) => format!("would be removed; it is {}", brief(live)),
            (None, Some(target)) => format!("would be added as {}", brief(target)),
            (None, None) => return,
        };
        self.push(path, message);
    }
}

fn names(found: &mut Differences, live: Option<&Value>, target: Option<&Value>) {
    let (Some(live), Some(target)) = (live, target) else {
        return found.changed("names", live, target);
    };
    found.fields(
        "names",
        live,
        target,
        |found, key, live, target| match key {
            "shortNames" | "categories" => {}
            _ => found.changed(&format!("names.{key}"), live, target),
        },
    );
}

fn versions(found: &mut Differences, live: Option<&Value>, target: Option<&Value>) {
    let (Some(Value::Array(live)), Some(Value::Array(target))) = (live, target) else {
        return found.changed("versions", live, target);
    };
    for before in live {
        let path = format!("versions[{}]", name(before));
        match target.iter().find(|after| name(after) == name(before)) {
            Some(after) => version(found, &path, before, after),
            None => found.push(&path, "would no longer be served".to_owned()),
        }
    }
    let known = |after: &Value| live.iter().any(|before| name(before) == name(after));
    for after in target.iter().filter(|after| !known(after)) {
        let path = format!("versions[{}]", name(after));
        found.push(
            &path,
            "would be added, and no live schema tells what fits it".to_owned(),
        );
    }
}

fn version(found: &mut Differences, path: &str, live: &Value, target: &Value) {
    found.fields(path, live, target, |found, key, live, target| match key {
        "additionalPrinterColumns" => {}
        "schema" => match (openapi(live), openapi(target)) {
            (Some(live), Some(target)) => schema::compare(found, path, live, target),
            _ => found.changed(&format!("{path}.schema"), live, target),
        },
        _ => found.changed(&format!("{path}.{key}"), live, target),
    });
}

fn openapi(schema: Option<&Value>) -> Option<&Value> {
    schema?.get("openAPIV3Schema")
}

fn name(version: &Value) -> &str {
    version.get("name").and_then(Value::as_str).unwrap_or("")
}

/// A value, short enough for a message.
fn brief(value: &Value) -> String {
    shown(&canonical::text(value), 60)
}

fn shown(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (start, _) = text.split_at(end);
    format!("{start}…")
}

#[cfg(test)]
mod tests;
