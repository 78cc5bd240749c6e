//! Guarded maps: those whose keys some CEL rule looks at, its own or one of a parent.
//!
//! A rule guards a map where it runs over its keys and does more with a key than look up its value.

use std::collections::BTreeSet;

use kube_cel::cel::Program;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use serde_json::Value;

/// Macros whose first argument is a key, where they run over a map.
const MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "filter", "map"];

type Path = Vec<String>;

/// Names in scope, each with the path of what it stands for.
type Scope<'a> = Vec<(&'a str, Option<Path>)>;

/// Collects the paths of guarded maps from the root of a schema.
pub(super) fn collect(schema: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
    for rule in rules(schema) {
        if let Ok(program) = Program::compile(rule) {
            let mut scope = vec![("self", Some(at.clone()))];
            search(program.expression(), &mut scope, found);
        }
    }
    let mut child = |segment: &str, schema: &Value| {
        at.push(segment.to_owned());
        collect(schema, at, found);
        at.pop();
    };
    let named = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in named.into_iter().flatten() {
        child(name, schema);
    }
    for (segment, keyword) in [("[]", "items"), ("*", "additionalProperties")] {
        if let Some(schema) = schema.get(keyword).filter(|schema| schema.is_object()) {
            child(segment, schema);
        }
    }
}

/// The texts of a node's rules.
pub(super) fn rules(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array);
    rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("rule")?.as_str())
}

fn search<'a>(expression: &'a IdedExpr, scope: &mut Scope<'a>, found: &mut BTreeSet<Path>) {
    match &expression.expr {
        Expr::Comprehension(comprehension) => {
            search(&comprehension.iter_range, scope, found);
            let range = resolve(&comprehension.iter_range, scope);
            let second = comprehension.iter_var2.as_deref();
            let body = [&comprehension.loop_step, &comprehension.result];
            run(
                range.as_ref(),
                &comprehension.iter_var,
                second,
                &body,
                scope,
                found,
            );
        }
        Expr::Call(call) => {
            if let Some((range, key, value, body)) = two_names(call) {
                let range = resolve(range, scope);
                return run(range.as_ref(), key, Some(value), &[body], scope, found);
            }
            for part in call.target.as_deref().into_iter().chain(&call.args) {
                search(part, scope, found);
            }
        }
        Expr::Select(select) => search(&select.operand, scope, found),
        Expr::List(list) => {
            for element in &list.elements {
                search(element, scope, found);
            }
        }
        _ => {}
    }
}

/// `map.all(key, value, …)`, which the parser leaves as it stands.
pub(super) fn two_names(call: &CallExpr) -> Option<(&IdedExpr, &str, &str, &IdedExpr)> {
    let range = call.target.as_deref()?;
    let [key, value, body] = call.args.as_slice() else {
        return None;
    };
    let (Expr::Ident(key), Expr::Ident(value)) = (&key.expr, &value.expr) else {
        return None;
    };
    let known = MACROS.contains(&&*call.func_name) || call.func_name.starts_with("transform");
    known.then_some((range, key, value, body))
}

fn run<'a>(
    range: Option<&Path>,
    name: &'a str,
    second: Option<&'a str>,
    body: &[&'a IdedExpr],
    scope: &mut Scope<'a>,
    found: &mut BTreeSet<Path>,
) {
    let values = |segment: &str| {
        let mut path = range.cloned()?;
        path.push(segment.to_owned());
        Some(path)
    };
    // Of a list the name stands for an item; of a map it stands for a key, which has no path.
    scope.push((name, values("[]")));
    if let Some(second) = second {
        scope.push((second, values("*")));
    }
    if let Some(range) = range
        && body.iter().any(|body| reads(body, name))
    {
        found.insert(range.clone());
    }
    for body in body {
        search(body, scope, found);
    }
    scope.pop();
    if second.is_some() {
        scope.pop();
    }
}

/// Whether an expression reads a name other than to look up a value by it.
fn reads(expression: &IdedExpr, name: &str) -> bool {
    let any = |parts: &[IdedExpr]| parts.iter().any(|part| reads(part, name));
    match &expression.expr {
        Expr::Ident(ident) => ident == name,
        Expr::Select(select) => reads(&select.operand, name),
        Expr::List(list) => any(&list.elements),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let is_key =
                |part: &&IdedExpr| matches!(&part.expr, Expr::Ident(ident) if ident == name);
            let mut parts = call.args.iter().enumerate();
            parts.any(|(at, part)| !(at == 1 && is_key(&part)) && reads(part, name))
        }
        Expr::Call(call) => {
            call.target
                .as_deref()
                .is_some_and(|target| reads(target, name))
                || any(&call.args)
        }
        Expr::Comprehension(inner) => [&inner.iter_range, &inner.loop_step, &inner.result]
            .into_iter()
            .any(|part| reads(part, name)),
        _ => false,
    }
}

/// The path of what an expression stands for, where it is a part of the object.
fn resolve(expression: &IdedExpr, scope: &Scope<'_>) -> Option<Path> {
    match &expression.expr {
        Expr::Ident(name) => {
            let known = scope.iter().rfind(|(known, _)| known == name);
            known.and_then(|(_, path)| path.clone())
        }
        Expr::Select(select) => {
            let mut path = resolve(&select.operand, scope)?;
            path.push(crate::lint::property::unescaped(&select.field));
            Some(path)
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let mut path = resolve(call.args.first()?, scope)?;
            let by_number = matches!(
                &call.args.get(1)?.expr,
                Expr::Literal(kube_cel::cel::common::ast::LiteralValue::Int(_))
            );
            path.push(if by_number { "[]" } else { "*" }.to_owned());
            Some(path)
        }
        _ => None,
    }
}
