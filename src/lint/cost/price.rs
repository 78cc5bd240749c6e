//! The price of an expression, and the shape of what it yields.

use std::rc::Rc;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue,
};
use serde_json::Value;

use crate::lint::cost::function;
use crate::lint::cost::shape::{Priced, Shape};
use crate::lint::guarded::two_names;

const IDENT: u64 = 1;
const SELECT: u64 = 1;
const NEW_LIST: u64 = 10;
const NEW_MAP: u64 = 30;
const NEW_STRUCT: u64 = 40;

/// Deepest expression that is priced; the parser allows less.
const DEEPEST: usize = 128;

/// The names that are bound, innermost last.
type Scope<'a> = Vec<(String, Shape<'a>)>;

/// The price of evaluating a rule once, at a node with this schema.
pub(super) fn of(expression: &IdedExpr, schema: &Value, is_root: bool) -> u64 {
    let node = Shape::Schema(schema, is_root);
    let mut scope = vec![
        ("self".to_owned(), node.clone()),
        ("oldSelf".to_owned(), node),
    ];
    price(expression, &mut scope, 0).0
}

fn price<'a>(expression: &IdedExpr, scope: &mut Scope<'a>, depth: usize) -> Priced<'a> {
    if depth > DEEPEST {
        return (u64::MAX, Shape::unknown());
    }
    let deeper = depth + 1;
    match &expression.expr {
        Expr::Unspecified => (0, Shape::unknown()),
        Expr::Literal(literal) => (0, literal_shape(literal)),
        Expr::Ident(name) => {
            let known = scope.iter().rfind(|(known, _)| known == name);
            (
                IDENT,
                known.map_or_else(Shape::unknown, |(_, shape)| shape.clone()),
            )
        }
        Expr::Select(select) => {
            let (cost, operand) = price(&select.operand, scope, deeper);
            // The API server asks nothing for `has` beyond what it is asked of.
            if select.test {
                return (cost, Shape::scalar());
            }
            (cost.saturating_add(SELECT), operand.field(&select.field))
        }
        Expr::List(list) => elements(&list.elements, scope, deeper),
        Expr::Map(map) => entries(
            map.entries.iter().map(|entry| &entry.expr),
            NEW_MAP,
            scope,
            deeper,
        ),
        Expr::Struct(made) => entries(
            made.entries.iter().map(|entry| &entry.expr),
            NEW_STRUCT,
            scope,
            deeper,
        ),
        Expr::Call(call) => called(call, scope, deeper),
        Expr::Comprehension(comprehension) => repeated(comprehension, scope, deeper),
    }
}

fn literal_shape<'a>(literal: &LiteralValue) -> Shape<'a> {
    match literal {
        LiteralValue::String(text) => Shape::text(text.inner().chars().count() as u64),
        LiteralValue::Bytes(bytes) => Shape::text(bytes.inner().len() as u64),
        _ => Shape::scalar(),
    }
}

fn elements<'a>(elements: &[IdedExpr], scope: &mut Scope<'a>, depth: usize) -> Priced<'a> {
    let mut cost = NEW_LIST;
    let mut largest: Option<Shape<'a>> = None;
    for element in elements {
        let (more, shape) = price(element, scope, depth);
        cost = cost.saturating_add(more);
        if largest
            .as_ref()
            .is_none_or(|known| known.size() < shape.size())
        {
            largest = Some(shape);
        }
    }
    let entry = Rc::new(largest.unwrap_or_else(|| Shape::text(0)));
    (cost, Shape::list(elements.len() as u64, Some(entry)))
}

fn entries<'a, 'e>(
    entries: impl Iterator<Item = &'e EntryExpr>,
    base: u64,
    scope: &mut Scope<'a>,
    depth: usize,
) -> Priced<'a> {
    let (mut cost, mut count) = (base, 0);
    for entry in entries {
        count += 1;
        let parts = match entry {
            EntryExpr::MapEntry(entry) => [Some(&entry.key), Some(&entry.value)],
            EntryExpr::StructField(field) => [Some(&field.value), None],
        };
        for part in parts.into_iter().flatten() {
            cost = cost.saturating_add(price(part, scope, depth).0);
        }
    }
    (cost, Shape::list(count, Some(Rc::new(Shape::unknown()))))
}

fn called<'a>(call: &CallExpr, scope: &mut Scope<'a>, depth: usize) -> Priced<'a> {
    if let Some((range, key, value, body)) = two_names(call) {
        return over_both(call, range, (key, value), body, scope, depth);
    }
    if let Some(bound) = bind(call, scope, depth) {
        return bound;
    }
    let target = call
        .target
        .as_deref()
        .map(|target| price(target, scope, depth));
    let arguments: Vec<_> = call
        .args
        .iter()
        .map(|part| price(part, scope, depth))
        .collect();
    function::price(&call.func_name, target.as_ref(), &arguments)
}

/// `cel.bind(name, value, body)`, which the parser leaves as it stands.
fn bind<'a>(call: &CallExpr, scope: &mut Scope<'a>, depth: usize) -> Option<Priced<'a>> {
    let is_cel = |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "cel");
    let [name, value, body] = call.args.as_slice() else {
        return None;
    };
    let Expr::Ident(name) = &name.expr else {
        return None;
    };
    if call.func_name != "bind" || !call.target.as_deref().is_some_and(is_cel) {
        return None;
    }
    let (cost, shape) = price(value, scope, depth);
    scope.push((name.clone(), shape));
    let (more, result) = price(body, scope, depth);
    scope.pop();
    // The empty list over which the macro runs costs as much as any.
    Some((cost.saturating_add(more).saturating_add(NEW_LIST), result))
}

/// A macro over keys and values, or indices and items.
fn over_both<'a>(
    call: &CallExpr,
    range: &IdedExpr,
    (key, value): (&str, &str),
    body: &IdedExpr,
    scope: &mut Scope<'a>,
    depth: usize,
) -> Priced<'a> {
    let (cost, shape) = price(range, scope, depth);
    let first = if shape.is_list() {
        Shape::scalar()
    } else {
        shape.first()
    };
    scope.push((key.to_owned(), first));
    scope.push((value.to_owned(), shape.entry()));
    let (step, inner) = price(body, scope, depth);
    scope.truncate(scope.len() - 2);
    // The step combines what was found so far with the body, as the other macros do.
    let step = step.saturating_add(3);
    let cost = cost.saturating_add(shape.size().saturating_mul(step));
    let result = if call.func_name.starts_with("transform") {
        Shape::list(shape.size(), Some(Rc::new(inner)))
    } else {
        Shape::scalar()
    };
    (cost, result)
}

fn repeated<'a>(
    comprehension: &ComprehensionExpr,
    scope: &mut Scope<'a>,
    depth: usize,
) -> Priced<'a> {
    let (range_cost, range) = price(&comprehension.iter_range, scope, depth);
    let (begin_cost, begin) = price(&comprehension.accu_init, scope, depth);
    let begins_as_list = matches!(comprehension.accu_init.expr, Expr::List(_) | Expr::Map(_));
    scope.push((comprehension.accu_var.clone(), begin));
    scope.push((comprehension.iter_var.clone(), range.first()));
    let (condition, _) = price(&comprehension.loop_cond, scope, depth);
    let (step, stepped) = price(&comprehension.loop_step, scope, depth);
    scope.pop();
    let (result, _) = price(&comprehension.result, scope, depth);
    scope.pop();
    let times = range.size();
    let loops = times.saturating_mul(condition.saturating_add(step));
    let cost = [begin_cost, result, loops]
        .iter()
        .fold(range_cost, |sum, part| sum.saturating_add(*part));
    let shape = if begins_as_list {
        Shape::list(times, Some(Rc::new(stepped.entry())))
    } else {
        Shape::scalar()
    };
    (cost, shape)
}
