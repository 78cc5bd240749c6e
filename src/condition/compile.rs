//! Compiling: how a `ConditionContract`'s spec becomes the contract that reading needs.

mod check;

use fusegate_crds::{ConditionContractSpec, ConditionRule, UnknownKeys};

use crate::condition::{
    contract::{Condition, Contract, Heartbeat, Source},
    expression::{Expression, Inputs},
    json,
    kind::Kind,
    place::{self, Place},
    problem::{Problem, Quoted},
};

impl Contract {
    /// Compiles the contract of this name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, by field; a contract with any of it can't be used.
    pub fn try_new(name: &str, spec: &ConditionContractSpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        check::check(spec, &mut problems);
        let mut inputs = Inputs::default();
        let mut conditions = Vec::new();
        let mut expressions = Vec::new();
        for rule in spec.conditions.iter().take(Self::MAX_CONDITIONS) {
            match Condition::try_new(rule, &spec.path) {
                Ok(condition) => conditions.push(condition),
                Err(problem) => problems.push(problem),
            }
            let from = rule.from.as_ref();
            if let Some(text) = from.and_then(|from| from.cel.as_deref()) {
                match Expression::try_new(text, &mut inputs) {
                    Ok(expression) => {
                        expressions.push((conditions.len().saturating_sub(1), expression));
                    }
                    Err(words) => problems.push(bad_rule(rule, "from.cel", &words)),
                }
            }
        }
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
            limits: spec.limits.clone(),
            unknown_keys: spec.unknown_keys,
            root: root(spec, &conditions, &inputs),
            conditions: conditions.into(),
            shape: hashes
                .iter()
                .fold(0, |shape, hash| json::pair(shape, *hash)),
            hashes,
            expressions: expressions.into(),
            inputs,
        })
    }
}

impl Condition {
    fn try_new(rule: &ConditionRule, path: &str) -> Result<Self, Problem> {
        let refuse = |(field, words): (&str, String)| bad_rule(rule, field, &words);
        let mut condition = Self {
            key: rule.key.as_str().into(),
            kind: Kind::try_new(rule).map_err(refuse)?,
            stale_after: check::stale_after(rule).map_err(refuse)?,
            heartbeat: match rule.heartbeat.as_deref() {
                None => Heartbeat::Usual,
                Some("None") => Heartbeat::None,
                Some(field) => Heartbeat::Field(field.into()),
            },
            source: check::source(rule, path).map_err(refuse)?,
        };
        if let Source::Query(query) = &condition.source {
            check::measurable(&condition.kind).map_err(refuse)?;
            condition.stale_after = Some(query.max_age);
        }
        if condition.is_several() && condition.kind == Kind::Presence {
            return Err(refuse((
                "type",
                "is Presence, and the key stands for several entries; name one of them".to_owned(),
            )));
        }
        Ok(condition)
    }
}

/// The tree of what is read.
fn root(spec: &ConditionContractSpec, conditions: &[Condition], inputs: &Inputs) -> Place {
    let mut root = Place::default();
    let entries = conditions
        .iter()
        .any(|condition| condition.source == Source::Entry);
    if entries || spec.unknown_keys == Some(UnknownKeys::Reject) {
        root.put_entries(place::names(&spec.path));
    }
    for (index, condition) in conditions.iter().enumerate() {
        if let Source::Path(path) = &condition.source {
            root.grow(place::names(path)).conditions.push(index);
        }
    }
    for (index, input) in inputs.paths().enumerate() {
        root.grow(input).inputs.push(index);
    }
    root
}

fn bad_rule(rule: &ConditionRule, field: &str, words: &str) -> Problem {
    let key = Quoted(&rule.key);
    Problem::of_contract(
        format!(".spec.conditions[{key}].{field}"),
        format!("{field} of condition {key} {words}"),
    )
}

#[cfg(test)]
mod tests;
