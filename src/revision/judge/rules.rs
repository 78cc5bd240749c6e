//! Rules: the CEL rules of a schema, compiled once.
//!
//! A rule that can't be evaluated here counts as broken.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kube_cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::Value;

use crate::revision::judge::place::Place;
use crate::revision::judge::violation::Violation;

/// A rule is broken.
pub(super) const RULE: &str = "x-kubernetes-validations";

/// A rule over `oldSelf` is broken, which judges every write.
pub(super) const TRANSITION: &str = "x-kubernetes-validations over oldSelf";

/// Whether a rule is broken is not known.
pub(super) const UNKNOWN: &str = "x-kubernetes-validations that can't be evaluated here";

/// The most of a rule's text that is shown, in characters.
const SHOWN: usize = 160;

/// The rules of a schema.
pub(super) struct Rules {
    compiled: CompiledSchema,
    validator: Validator,
}

impl Rules {
    /// Those of a schema, if it has any.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        has_rules(schema).then(|| Self {
            compiled: compile_schema(schema),
            validator: Validator::new(),
        })
    }

    /// Those that an object breaks when it is created, or when it replaces `old`.
    pub(super) fn broken(&self, object: &Value, old: Option<&Value>) -> Vec<Violation> {
        let judged = AssertUnwindSafe(|| {
            self.validator
                .validate_compiled(&self.compiled, object, old)
        });
        match catch_unwind(judged) {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(errors)) => errors.into_iter().map(violation).collect(),
            // A mistake of the library's own must not end the process, and nothing is known then.
            Err(_) => vec![Violation {
                place: Place::default(),
                keyword: UNKNOWN,
                detail: "the CEL library failed".to_owned(),
            }],
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-kubernetes-validations") || fields.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

fn violation(error: ValidationError) -> Violation {
    let rule: String = error.rule.chars().take(SHOWN).collect();
    let keyword = match error.kind {
        ErrorKind::ValidationFailure | ErrorKind::EvaluationError
            if error.rule.contains("oldSelf") =>
        {
            TRANSITION
        }
        ErrorKind::ValidationFailure | ErrorKind::EvaluationError => RULE,
        _ => UNKNOWN,
    };
    Violation {
        place: Place {
            shape: shape(&error.field_path),
            exact: error.field_path,
        },
        keyword,
        detail: rule,
    }
}

/// A path without its indices. Keys of maps can't be told from fields.
fn shape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => continue,
            _ => {}
        }
        out.push(character);
    }
    out
}
