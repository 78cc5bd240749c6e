//! A compiled contract: what the conditions of one kind may contain, in the form that reading needs.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionRule, Limits, UnknownKeys};

use crate::condition::{
    json,
    kind::Kind,
    name,
    problem::{Code, Problem, Quoted},
};

/// What the conditions of one kind may contain, compiled once.
#[derive(Clone, Debug)]
pub struct Contract {
    name: Box<str>,
    path: Box<str>,
    /// The path behind `.status`.
    segments: Box<[Box<str>]>,
    limits: Limits,
    unknown_keys: Option<UnknownKeys>,
    conditions: Box<[Condition]>,
    /// The keys' hashes, in the order of the conditions.
    hashes: Box<[u64]>,
    shape: u64,
}

/// One declared condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The key, a qualified name.
    pub key: Arc<str>,
    /// The type, with its bounds.
    pub kind: Kind,
    /// How old, in milliseconds, a value with a time of its own may be before it counts as Unknown.
    pub stale_after: Option<u64>,
}

impl Contract {
    /// The most conditions that a contract may declare.
    pub const MAX_CONDITIONS: usize = 64;

    /// Compiles the contract of this name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, by field; a contract with any of it can't be used.
    pub fn try_new(name: &str, spec: &ConditionContractSpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let segments = segments(&spec.path).unwrap_or_else(|problem| {
            problems.push(problem);
            Box::default()
        });
        check_limits(&spec.limits, &mut problems);
        check_keys(spec, &mut problems);
        let conditions: Box<[Condition]> = spec
            .conditions
            .iter()
            .take(Self::MAX_CONDITIONS)
            .filter_map(|rule| {
                Condition::try_new(rule)
                    .map_err(|problem| problems.push(problem))
                    .ok()
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let hashes: Box<[u64]> = conditions
            .iter()
            .map(|condition| json::hash_text(&condition.key))
            .collect();
        Ok(Self {
            name: name.into(),
            path: spec.path.as_str().into(),
            segments,
            limits: spec.limits.clone(),
            unknown_keys: spec.unknown_keys,
            conditions,
            shape: hashes
                .iter()
                .fold(0, |shape, hash| json::pair(shape, *hash)),
            hashes,
        })
    }

    /// The name of the `ConditionContract`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the conditions are, such as `.status.conditions`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The declared conditions, in the contract's order.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// How much an update may contain.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The place of a key among the conditions.
    pub fn index_of(&self, key: &str) -> Option<usize> {
        self.index_of_hashed(key, json::hash_text(key))
    }

    /// [`Contract::index_of`] for a key whose hash is known.
    pub(super) fn index_of_hashed(&self, key: &str, hash: u64) -> Option<usize> {
        self.hashes
            .iter()
            .zip(&self.conditions)
            .position(|(known, condition)| *known == hash && *condition.key == *key)
    }

    /// The path behind `.status`, field by field.
    pub(super) fn segments(&self) -> &[Box<str>] {
        &self.segments
    }

    /// Whether undeclared keys make an update illegal, given what does so when the contract doesn't say.
    pub(super) fn rejects_unknown_keys(&self, default: UnknownKeys) -> bool {
        self.unknown_keys.unwrap_or(default) == UnknownKeys::Reject
    }

    /// A hash of the declared keys in their order, which tells whether two lists by position belong together.
    pub(super) fn shape(&self) -> u64 {
        self.shape
    }
}

impl Condition {
    fn try_new(rule: &ConditionRule) -> Result<Self, Problem> {
        let refuse = |(field, words): (&str, String)| {
            let key = Quoted(&rule.key);
            bad(
                format!(".spec.conditions[{key}].{field}"),
                format!("{field} of condition {key} {words}"),
            )
        };
        Ok(Self {
            key: rule.key.as_str().into(),
            kind: Kind::try_new(rule).map_err(refuse)?,
            stale_after: stale_after(rule).map_err(refuse)?,
        })
    }
}

fn stale_after(rule: &ConditionRule) -> Result<Option<u64>, (&'static str, String)> {
    let Some(duration) = &rule.stale_after else {
        return Ok(None);
    };
    match duration.millis() {
        Ok(0) => Err((
            "staleAfter",
            "is zero, so every value would be stale; leave it out or write a longer one".to_owned(),
        )),
        Ok(millis) => Ok(Some(millis)),
        Err(invalid) => Err(("staleAfter", format!("is no duration: {invalid}"))),
    }
}

/// The fields behind `.status` that lead to the conditions.
fn segments(path: &str) -> Result<Box<[Box<str>]>, Problem> {
    let is_field = |field: &str| {
        !field.is_empty()
            && field
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let fields: Option<Box<[Box<str>]>> = path
        .strip_prefix(".status.")
        .filter(|rest| path.len() <= 256 && rest.split('.').all(is_field))
        .map(|rest| rest.split('.').map(Into::into).collect());
    fields.filter(|fields| fields.len() <= 7).ok_or_else(|| {
        bad(
            ".spec.path".to_owned(),
            format!(
                "path is {}; write .status and one to seven names of fields, such as .status.conditions",
                Quoted(path)
            ),
        )
    })
}

/// The ranges are those of the schema; a directory enforces no schema.
fn check_limits(limits: &Limits, problems: &mut Vec<Problem>) {
    let ranges = [
        ("maxEntries", limits.max_entries, 64),
        ("maxDepth", limits.max_depth, 8),
        ("maxKeyLength", limits.max_key_length, 253),
        ("maxValueBytes", limits.max_value_bytes, 32_768),
    ];
    for (field, value, most) in ranges {
        if !(1..=most).contains(&value) {
            problems.push(bad(
                format!(".spec.limits.{field}"),
                format!("{field} is {value}; write a number from 1 to {most}"),
            ));
        }
    }
}

fn check_keys(spec: &ConditionContractSpec, problems: &mut Vec<Problem>) {
    let declared = spec.conditions.len();
    if !(1..=Contract::MAX_CONDITIONS).contains(&declared) {
        problems.push(bad(
            ".spec.conditions".to_owned(),
            format!(
                "conditions declares {declared} keys; declare from 1 to {}",
                Contract::MAX_CONDITIONS
            ),
        ));
    }
    let rules = spec.conditions.iter().take(Contract::MAX_CONDITIONS);
    for (index, rule) in rules.enumerate() {
        let earlier = spec.conditions.iter().take(index);
        if let Some(words) = key_fault(rule, earlier, &spec.limits) {
            problems.push(bad(
                format!(".spec.conditions[{index}].key"),
                format!("key {} {words}", Quoted(&rule.key)),
            ));
        }
    }
}

fn key_fault<'a>(
    rule: &ConditionRule,
    mut earlier: impl Iterator<Item = &'a ConditionRule>,
    limits: &Limits,
) -> Option<String> {
    let length = rule.key.chars().count();
    if !name::is_qualified(&rule.key) {
        Some(name::ADVICE.to_owned())
    } else if earlier.any(|other| other.key == rule.key) {
        Some("is declared more than once; declare it once".to_owned())
    } else if length > usize::try_from(limits.max_key_length).unwrap_or(usize::MAX) {
        Some(format!(
            "has {length} characters, and limits.maxKeyLength allows {}; shorten it or raise the limit",
            limits.max_key_length
        ))
    } else {
        None
    }
}

fn bad(field: String, message: String) -> Problem {
    Problem {
        code: Code::BadContract,
        field: field.into(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests;
