//! What must hold of a contract's fields; the API server checks it too, and a directory has no API server.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionRule, DurationText, Limits, PrometheusQuery};

use crate::condition::{
    contract::{Contract, Query, Source},
    kind::Kind,
    name,
    place::{self, EACH},
    problem::{Problem, Quoted},
};

/// The longest path, in characters.
const MAX_PATH: usize = 256;

/// Reports what is wrong with the path, the limits and the keys.
pub(super) fn check(spec: &ConditionContractSpec, problems: &mut Vec<Problem>) {
    let is_status = spec.path == ".status" || spec.path.starts_with(".status.");
    if !is_status || !is_path(&spec.path) || spec.path.contains(EACH) {
        problems.push(Problem::of_contract(
            ".spec.path".to_owned(),
            format!(
                "path is {}; write .status and names of fields behind it, such as .status.conditions, in at most {MAX_PATH} characters",
                Quoted(&spec.path)
            ),
        ));
    }
    limits(&spec.limits, problems);
    keys(spec, problems);
}

/// How long, in milliseconds, a heartbeat may stand still.
pub(super) fn stale_after(rule: &ConditionRule) -> Result<Option<u64>, (&'static str, String)> {
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

/// Where a value comes from.
pub(super) fn source(rule: &ConditionRule, path: &str) -> Result<Source, (&'static str, String)> {
    let from = rule.from.as_ref();
    if from.is_some_and(|from| from.cel.is_some()) {
        return Ok(Source::Computed);
    }
    if let Some(spec) = rule.query() {
        return query(spec).map(Source::Query);
    }
    let own = match from.map(|from| from.path.clone().unwrap_or_default()) {
        Some(own) => own,
        None if rule.key.ends_with(".*") => format!("{path}.{}", rule.key),
        None => return Ok(Source::Entry),
    };
    let several = own.matches(EACH).count();
    if !is_path(&own) || several > 1 {
        return Err((
            "from.path",
            format!(
                "is {}; write names of fields, one of which may be *, such as .status.health.*, in at most {MAX_PATH} characters",
                Quoted(&own)
            ),
        ));
    }
    if (several == 1) != rule.key.ends_with(".*") {
        return Err((
            "key",
            "must end in .* where from.path has a *, and only there".to_owned(),
        ));
    }
    if own.strip_prefix(path) == Some(".*") {
        return Err((
            "from.path",
            format!(
                "is {}, the entries of path themselves; declare each by its key",
                Quoted(&own)
            ),
        ));
    }
    Ok(Source::Path(own.into()))
}

/// A query, with its times.
fn query(spec: &PrometheusQuery) -> Result<Query, (&'static str, String)> {
    let millis = |field: &'static str, duration: &DurationText| {
        let millis = duration.millis();
        millis.map_err(|invalid| (field, format!("is no duration: {invalid}")))
    };
    let interval = millis("from.prometheus.interval", &spec.interval)?;
    let max_age = millis("from.prometheus.maxAge", &spec.max_age)?;
    if spec.query.trim().is_empty() {
        return Err((
            "from.prometheus.query",
            "is blank; write a query in PromQL".to_owned(),
        ));
    }
    if interval < 1_000 || max_age < 2 * interval {
        return Err((
            "from.prometheus",
            format!(
                "has interval {} and maxAge {}; write an interval of 1s or more, and a maxAge of at least twice that",
                spec.interval, spec.max_age
            ),
        ));
    }
    Ok(Query {
        spec: Arc::new(spec.clone()),
        interval,
        max_age,
    })
}

/// Whether the number that a query gives can be read as a kind.
pub(super) fn measurable(kind: &Kind) -> Result<(), (&'static str, String)> {
    if kind.bounds().is_some() || *kind == Kind::Boolean {
        return Ok(());
    }
    Err((
        "type",
        format!(
            "is {}, and a query gives numbers; declare it Number, Integer, Duration, Quantity, Percent or Boolean",
            kind.as_str()
        ),
    ))
}

/// Whether a text is a dot and a name, or several.
fn is_path(path: &str) -> bool {
    let is_field = |name: &str| {
        name == EACH
            || !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    path.len() <= MAX_PATH
        && path
            .strip_prefix('.')
            .is_some_and(|rest| rest.split('.').all(is_field))
        && place::names(path).count() > 0
}

/// The ranges are those of the schema.
fn limits(limits: &Limits, problems: &mut Vec<Problem>) {
    let ranges = [
        ("maxEntries", limits.max_entries, 64),
        ("maxDepth", limits.max_depth, 8),
        ("maxKeyLength", limits.max_key_length, 253),
        ("maxValueBytes", limits.max_value_bytes, 32_768),
    ];
    for (field, value, most) in ranges {
        if !(1..=most).contains(&value) {
            problems.push(Problem::of_contract(
                format!(".spec.limits.{field}"),
                format!("{field} is {value}; write a number from 1 to {most}"),
            ));
        }
    }
}

fn keys(spec: &ConditionContractSpec, problems: &mut Vec<Problem>) {
    let declared = spec.conditions.len();
    if !(1..=Contract::MAX_CONDITIONS).contains(&declared) {
        problems.push(Problem::of_contract(
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
            problems.push(Problem::of_contract(
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
    let name = rule.key.strip_suffix(".*").unwrap_or(&rule.key);
    if !name::is_qualified(name) {
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
