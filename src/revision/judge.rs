//! A judge: what a rollback would do to one object, by the schemas of one version.
//!
//! It does to an object what the API server would do under the target: prunes it, sets defaults, and validates it, as
//! one that is created and as one that is written again unchanged.
//! An object that breaks the live schema in the same place is not harmed, so that is left out.
//!
//! What an object holds in etcd and the live schema hides is not seen.
//! Source: `k8s.io/apiextensions-apiserver`, packages `schema/pruning`, `schema/defaulting`, `schema/listtype` and `validation`.

mod defaults;
mod format;
mod pattern;
mod place;
mod prune;
mod rules;
mod validate;
mod violation;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::revision::judge::pattern::Patterns;
use crate::revision::judge::place::Place;
use crate::revision::judge::rules::Rules;
use crate::revision::judge::violation::Violation;

/// Which unchanged values the API server lets stand, though a new schema forbids them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratcheting {
    /// In writes of an object.
    pub objects: bool,
    /// In writes of its `/status`.
    pub statuses: bool,
}

/// What a rollback would do to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Data would be pruned at the next write.
    Lost,
    /// No write would be accepted any more, whatever it changes.
    NotWritable,
    /// It could not be created again as it is, and its value there could not be changed to another such value.
    NotCreatable,
    /// A default would be set where nothing stands now.
    Defaulted,
}

/// One harm to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harm {
    /// What would happen.
    pub kind: Kind,
    /// Where, with `[]` for any item of a list and `*` for any key of a map.
    pub path: String,
    /// The schema's keyword that forbids the value; empty where none does.
    pub keyword: &'static str,
    /// The value, the limit or the rule.
    pub detail: String,
}

/// Judges the objects of one version.
#[derive(Debug)]
pub struct Judge {
    target: Side,
    /// The live schema of the same version, where there is one.
    live: Option<Side>,
    ratcheting: Ratcheting,
    /// Whether the live schema has a status subresource, by which statuses are written.
    has_status: bool,
}

/// One schema, ready to be judged by.
#[derive(Debug)]
struct Side {
    schema: Value,
    patterns: Patterns,
    rules: Option<Rules>,
}

impl Judge {
    /// The judge of a version of the spec `target`; `None` when it doesn't have that version.
    #[must_use]
    pub fn new(
        live: &Value,
        target: &Value,
        version: &str,
        ratcheting: Ratcheting,
    ) -> Option<Self> {
        let found = version_of(target, version)?;
        Some(Self {
            target: Side::new(found),
            live: version_of(live, version).map(Side::new),
            ratcheting,
            has_status: found.pointer("/subresources/status").is_some(),
        })
    }

    /// What would happen to an object.
    #[must_use]
    pub fn harms(&self, object: &Value) -> Vec<Harm> {
        let mut after = object.clone();
        let mut harms = Vec::new();
        for path in prune::prune(&mut after, &self.target.schema) {
            harms.push(harm(Kind::Lost, path));
        }
        for path in defaults::apply(&mut after, &self.target.schema) {
            harms.push(harm(Kind::Defaulted, path));
        }
        let created = self.target.violations(&after, None);
        let written = self.written(&after);
        if created.is_empty() && written.is_empty() {
            return harms;
        }
        let before = self.before(object);
        let new = |violation: &Violation| !before.contains(&identity(violation));
        let written: Vec<_> = written.into_iter().filter(new).collect();
        let refused: BTreeSet<_> = written.iter().map(identity).collect();
        let created = created.into_iter().filter(new);
        let created = created.filter(|violation| !refused.contains(&identity(violation)));
        harms.extend(created.map(|violation| forbidden(Kind::NotCreatable, violation)));
        harms.extend(
            written
                .into_iter()
                .map(|violation| forbidden(Kind::NotWritable, violation)),
        );
        harms
    }

    /// What refuses an object that is written with the values that it has.
    fn written(&self, object: &Value) -> Vec<Violation> {
        let mut found = self.target.violations(object, Some(object));
        found.retain(|violation| !self.is_ratcheted(violation));
        found
    }

    /// What is wrong with the whole is not ratcheted, since an object's metadata changes with every write.
    fn is_ratcheted(&self, violation: &Violation) -> bool {
        match violation.keyword {
            validate::LIST_TYPE => true,
            validate::EMBEDDED | rules::TRANSITION => false,
            _ if violation.place.is_root() => false,
            _ if self.has_status && violation.place.is_in("status") => self.ratcheting.statuses,
            _ => self.ratcheting.objects,
        }
    }

    /// What the live schema forbids of an object already.
    fn before(&self, object: &Value) -> BTreeSet<(String, &'static str, String)> {
        let Some(live) = &self.live else {
            return BTreeSet::new();
        };
        let mut object = object.clone();
        defaults::apply(&mut object, &live.schema);
        let mut found = live.violations(&object, None);
        found.extend(live.violations(&object, Some(&object)));
        found.iter().map(identity).collect()
    }
}

impl Side {
    fn new(version: &Value) -> Self {
        let schema = version.pointer("/schema/openAPIV3Schema");
        let schema = schema.cloned().unwrap_or_default();
        Self {
            patterns: Patterns::of(&schema),
            rules: Rules::of(&schema),
            schema,
        }
    }

    /// What it forbids of an object that is created, or of one that replaces `old`.
    fn violations(&self, object: &Value, old: Option<&Value>) -> Vec<Violation> {
        let mut found = validate::validate(object, &self.schema, &self.patterns);
        if let Some(rules) = &self.rules {
            found.extend(rules.broken(object, old));
        }
        found
    }
}

/// What tells a violation from another one of the same object. Of a value out of bounds the limit doesn't count; of a CEL
/// rule its text does.
fn identity(violation: &Violation) -> (String, &'static str, String) {
    let detail = match violation.keyword {
        rules::RULE | rules::TRANSITION | rules::UNKNOWN | validate::REQUIRED => {
            violation.detail.clone()
        }
        _ => String::new(),
    };
    (violation.place.exact.clone(), violation.keyword, detail)
}

fn forbidden(kind: Kind, violation: Violation) -> Harm {
    Harm {
        kind,
        path: violation.place.shape,
        keyword: violation.keyword,
        detail: violation.detail,
    }
}

fn harm(kind: Kind, place: Place) -> Harm {
    Harm {
        kind,
        path: place.shape,
        keyword: "",
        detail: String::new(),
    }
}

fn version_of<'a>(spec: &'a Value, name: &str) -> Option<&'a Value> {
    let versions = spec.get("versions")?.as_array()?;
    let mut versions = versions.iter();
    versions.find(|version| version.get("name").and_then(Value::as_str) == Some(name))
}

#[cfg(test)]
mod tests;
