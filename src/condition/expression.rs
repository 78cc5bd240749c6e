//! An expression: a value that is computed from an object, in the Common Expression Language (CEL) with Kubernetes' functions.
//!
//! What it reads is known when the contract is accepted, as a set of paths, so that nothing else of an object is decoded for it; so is about what it costs.
//! It is bounded when it runs: in the values it may read, and in steps, which each turn of a loop takes from a budget.
//! Nothing it does depends on time or chance: the same object always comes to the same.

mod budget;
mod check;
mod import;
mod input;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use kube_cel::{
    KubeCelExt as _,
    cel::{Context, ExecutionError, Value, common::ast::IdedExpr},
};

use crate::condition::{
    expression::{
        budget::{Budget, SPEND},
        check::Check,
        import::Room,
        input::Input,
    },
    json::Json,
    problem::Excerpt,
};

/// An expression that has been checked.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    program: IdedExpr,
    /// The inputs that it reads.
    reads: Box<[usize]>,
}

/// What the expressions of one contract read.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs(Vec<Input>);

/// What an expression came to.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Something that it reads is not there, or its value is null.
    Missing,
    /// A value.
    Computed(Computed),
    /// Why there is none, as the second half of a sentence.
    Failed(String),
}

/// A computed value.
#[derive(Debug, PartialEq)]
pub(super) enum Computed {
    /// `true` or `false`.
    Bool(bool),
    /// A number, as text.
    Number(String),
    /// Text, a time or a duration.
    Text(String),
}

/// The functions.
static FUNCTIONS: LazyLock<Context<'static>> =
    LazyLock::new(|| budget::register(Context::default().with_all()));

impl Expression {
    /// Parses and checks a text, and adds what it reads to the inputs.
    ///
    /// # Errors
    ///
    /// Why it can't be used, as the second half of a sentence.
    pub(super) fn try_new(text: &str, inputs: &mut Inputs) -> Result<Self, String> {
        let parsed = contained(|| check::parse(text));
        let mut program =
            parsed.unwrap_or_else(|| Err("can't be parsed; simplify it".to_owned()))?;
        let mut check = Check::new(&FUNCTIONS);
        check.check(&mut program)?;
        let mut reads = Vec::new();
        for input in check.reads {
            let index = inputs.add(input);
            if !reads.contains(&index) {
                reads.push(index);
            }
        }
        Ok(Self {
            program,
            reads: reads.into(),
        })
    }

    /// Computes the value from what stands at the inputs, as JSON.
    pub(super) fn evaluate(&self, inputs: &Inputs, values: &[Option<&str>]) -> Outcome {
        let mut scope = FUNCTIONS.new_inner_scope();
        let mut room = Room::default();
        for index in &self.reads {
            let Some(input) = inputs.0.get(*index) else {
                continue;
            };
            let raw = values.get(*index).copied().flatten();
            if input.presence {
                scope.add_variable_from_value(input.name.as_str(), raw.is_some());
            } else if let Some(raw) = raw {
                match room.import(raw) {
                    Ok(value) => scope.add_variable_from_value(input.name.as_str(), value),
                    Err(words) => return Outcome::Failed(words),
                }
            }
        }
        Budget::put(&mut scope);
        match contained(|| Value::resolve(&self.program, &scope)) {
            Some(Ok(value)) => outcome(&value),
            Some(Err(error)) => failure(&error),
            None => Outcome::Failed("failed for a reason of CEL's own; simplify it".to_owned()),
        }
    }
}

impl Inputs {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The names of fields that lead to each, from the object's root.
    pub(super) fn paths(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.0.iter().map(|input| {
            let names = input.name.trim_start_matches(check::HAS);
            names.split('.').skip(1)
        })
    }

    fn add(&mut self, input: Input) -> usize {
        let known = self.0.iter().position(|known| *known == input);
        known.unwrap_or_else(|| {
            self.0.push(input);
            self.0.len() - 1
        })
    }
}

impl Computed {
    /// The value as JSON.
    pub(super) fn json(&self) -> Json<'_> {
        match self {
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(text) => Json::Number(text),
            Self::Text(text) => Json::Plain(text),
        }
    }
}

/// Runs the library's code. A mistake of its own must not end the process: of this one value nothing is then known.
fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn failure(error: &ExecutionError) -> Outcome {
    match error {
        ExecutionError::UndeclaredReference(name) if name.starts_with(check::OBJECT) => {
            Outcome::Missing
        }
        ExecutionError::FunctionError { function, message } if function == SPEND => {
            Outcome::Failed(message.clone())
        }
        error => Outcome::Failed(format!("failed: {}", Excerpt(&error.to_string()))),
    }
}

fn outcome(value: &Value) -> Outcome {
    Outcome::Computed(match value {
        Value::Null => return Outcome::Missing,
        Value::Bool(flag) => Computed::Bool(*flag),
        Value::Int(number) => Computed::Number(number.to_string()),
        Value::UInt(number) => Computed::Number(number.to_string()),
        Value::Float(number) => Computed::Number(number.to_string()),
        Value::String(text) => Computed::Text(text.to_string()),
        Value::Timestamp(time) => Computed::Text(time.to_rfc3339()),
        Value::Duration(duration) => Computed::Text(format!("{}ms", duration.num_milliseconds())),
        other => {
            return Outcome::Failed(format!(
                "gives {}, which is no value of a condition; make it a number, text, true or false",
                noun(other)
            ));
        }
    })
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Bytes(_) => "bytes",
        _ => "something opaque, such as a quantity",
    }
}

#[cfg(test)]
mod tests;
