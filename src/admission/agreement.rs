//! Agreement: evaluates a policy in Rust, beside the condition model.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use fusegate_crds::AdmissionMode;
use kube_cel::KubeCelExt as _;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Program, Value};
use regex::Regex;
use serde_json::{Value as Json, json};

use crate::admission::evident::{LONGEST, evident};
use crate::admission::policy::{Frozen, Policy, Source, policy};
use crate::condition::contract::Contract;
use crate::condition::report::Report;

/// A policy, ready to be evaluated.
pub(crate) struct Evaluator {
    pub(crate) policy: Policy,
    evident: Option<Program>,
    conditions: Vec<Program>,
    variables: Vec<(String, Program)>,
    validations: Vec<(Program, String)>,
}

impl Evaluator {
    pub(crate) fn new(contract: &Contract, frozen: &[Frozen<'_>]) -> Self {
        let policy = of(contract, frozen);
        let list = |field: &str| policy.objects[0]["spec"][field].as_array().unwrap().clone();
        let compile = |each: &Json| {
            let text = each["expression"].as_str().unwrap();
            Program::compile(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
        };
        let text = |each: &Json, field: &str| each[field].as_str().unwrap().to_owned();
        let evident = evident(contract, LONGEST);
        Self {
            evident: evident.map(|text| Program::compile(&text).unwrap()),
            conditions: list("matchConditions").iter().map(compile).collect(),
            variables: list("variables")
                .iter()
                .map(|each| (text(each, "name"), compile(each)))
                .collect(),
            validations: list("validations")
                .iter()
                .map(|each| (compile(each), text(each, "message")))
                .collect(),
            policy,
        }
    }

    /// Why a write is denied; nothing where it passes. An error of CEL, which the API server denies for, is a panic.
    pub(crate) fn denials(&self, resource: (&str, &str), object: &Json, old: &Json) -> Vec<String> {
        let mut context = functions();
        let request =
            json!({"resource": {"group": resource.0, "resource": resource.1}, "namespace": "shop"});
        context.add_variable_from_value("object", import(object));
        context.add_variable_from_value("oldObject", import(old));
        context.add_variable_from_value("request", import(&request));
        let is_true =
            |program: &Program, context: &Context<'_>, what: &str| match program.execute(context) {
                Ok(Value::Bool(flag)) => flag,
                other => panic!("{what}: {other:?} of {object}"),
            };
        let mut conditions = self.conditions.iter();
        if !conditions.all(|program| is_true(program, &context, "a match condition")) {
            return Vec::new();
        }
        let mut variables = HashMap::new();
        for (name, program) in &self.variables {
            let value = program.execute(&context);
            let value = value.unwrap_or_else(|error| panic!("{name}: {error} of {object}"));
            variables.insert(Key::String(Arc::new(name.clone())), value);
            let map = Arc::new(variables.clone());
            context.add_variable_from_value("variables", Value::Map(Map { map }));
        }
        let denied = self
            .validations
            .iter()
            .filter(|(program, message)| !is_true(program, &context, message));
        denied.map(|(_, message)| message.clone()).collect()
    }

    /// Whether a status is legal at first sight, so that nothing more is asked.
    pub(crate) fn is_evident(&self, status: &Json) -> bool {
        let mut context = functions();
        context.add_variable_from_value("object", import(&json!({"status": status})));
        let evident = self.evident.as_ref().map(|text| text.execute(&context));
        match evident {
            None => false,
            Some(Ok(Value::Bool(is_evident))) => is_evident,
            Some(other) => panic!("{other:?} of {status}"),
        }
    }

    /// Why a status is denied.
    pub(crate) fn denials_of_status(&self, status: &Json) -> Vec<String> {
        let object = json!({"metadata": {"name": "checkout"}, "status": status});
        self.denials(("shop.example.com", "storefronts"), &object, &Json::Null)
    }
}

fn of(contract: &Contract, frozen: &[Frozen<'_>]) -> Policy {
    let policy = policy(&Source {
        contract,
        uid: "uid-1",
        mode: AdmissionMode::Deny,
        group: "shop.example.com",
        version: "v1",
        plural: "storefronts",
        namespace: "fusegate-system",
        frozen,
    });
    policy.unwrap()
}

/// Panics where a policy denies what the report of the same status holds legal, or holds evident what is not.
///
/// What the API server would not take is passed over: what is no JSON, or more than its store holds.
pub(crate) fn check(contract: &Contract, status: &str, report: &Report) {
    const MOST: usize = 1_572_864;
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Rc<Evaluator>>> = RefCell::default();
    }
    let status = serde_json::from_str(status)
        .ok()
        .filter(|_| status.len() <= MOST);
    let Some(status) = status else {
        return;
    };
    let marker = of(contract, &[]).marker;
    let evaluator = KNOWN.with_borrow_mut(|known| {
        let evaluator = known.entry(marker);
        evaluator
            .or_insert_with(|| Rc::new(Evaluator::new(contract, &[])))
            .clone()
    });
    assert!(
        report.is_legal() || !evaluator.is_evident(&status),
        "illegal, and evident: {status}"
    );
    let denials = evaluator.denials_of_status(&status);
    assert!(
        denials.is_empty() || !report.is_legal(),
        "legal, and denied: {status}\n{denials:?}"
    );
}

/// The functions, and those that the CEL crate lacks or is slow at.
fn functions() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("type", type_of);
    context.add_function("dyn", |value: Value| Ok::<_, ExecutionError>(value));
    context.add_function("matches", matches);
    for name in [
        "bool",
        "int",
        "double",
        "string",
        "list",
        "map",
        "null_type",
    ] {
        context.add_variable_from_value(name, Value::String(Arc::new(name.to_owned())));
    }
    context
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "a function of an expression takes its arguments by value"
)]
fn type_of(value: Value) -> String {
    let name = match value {
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "null_type",
        _ => "other",
    };
    name.to_owned()
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "a function of an expression takes its arguments by value"
)]
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let regex = known
            .entry(pattern.to_string())
            .or_insert_with(|| Regex::new(&pattern).unwrap());
        Ok(regex.is_match(&text))
    })
}

/// JSON as the API server hands it to CEL: whole numbers of 64 bits are ints, all others doubles.
fn import(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(import).collect())),
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields =
                fields.map(|(name, value)| (Key::String(Arc::new(name.clone())), import(value)));
            Value::Map(Map {
                map: Arc::new(fields.collect()),
            })
        }
    }
}
