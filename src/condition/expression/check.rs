//! The check of an expression: what it reads, whether all that it names exists, and about what it costs.
//!
//! The check rewrites as it goes. A chain of fields such as `object.status.parents` becomes one variable, which only that path is decoded for; each loop is made to spend from the budget.

use kube_cel::cel::{
    Context, ExecutionError, Value,
    common::ast::{
        CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
    },
    parser::Parser,
};

use crate::condition::{
    expression::{
        budget::{BUDGET, ITEMS, SPEND, STEPS},
        input::Input,
    },
    problem::Excerpt,
};

/// The variable that an expression reads from.
pub(super) const OBJECT: &str = "object";

/// What stands before the name of the variable that says whether a field is there.
pub(super) const HAS: &str = "has ";

/// The most brackets within each other: the parser needs a tenth of a megabyte of stack for each.
const BRACKETS: usize = 8;

/// The most levels of what is parsed: computing needs some of the stack for each, too.
const LEVELS: usize = 32;

/// How many turns a loop is taken to have when its cost is judged.
const TURNS: u64 = 32;

/// Functions whose result may be far larger than what they are given.
const UNBOUNDED: [&str; 3] = ["replace", "join", "lists.range"];

/// Parses a text.
pub(super) fn parse(text: &str) -> Result<IdedExpr, String> {
    if brackets(text) > BRACKETS {
        return Err(format!(
            "has brackets more than {BRACKETS} deep; simplify it"
        ));
    }
    Parser::new().parse(text).map_err(|errors| {
        let first = errors.to_string();
        let first = first.lines().next().unwrap_or_default();
        format!("can't be parsed: {}", Excerpt(first))
    })
}

/// How deep brackets stand within each other, those in texts included.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A check under way.
pub(super) struct Check<'a> {
    functions: &'a Context<'static>,
    /// The loops' own variables, innermost last.
    scope: Vec<String>,
    /// How many levels down the part under check is.
    level: usize,
    pub(super) reads: Vec<Input>,
}

impl<'a> Check<'a> {
    pub(super) fn new(functions: &'a Context<'static>) -> Self {
        Self {
            functions,
            scope: Vec::new(),
            level: 0,
            reads: Vec::new(),
        }
    }

    /// Checks and rewrites a whole expression.
    pub(super) fn check(&mut self, program: &mut IdedExpr) -> Result<(), String> {
        let steps = self.cost(program)?;
        if steps > STEPS.unsigned_abs() {
            return Err(format!(
                "would take about {steps} steps where each list has {TURNS} items, and {STEPS} are allowed; nest fewer loops"
            ));
        }
        if self.reads.is_empty() {
            return Err(format!(
                "reads nothing of the object; name a field, such as {OBJECT}.status.phase"
            ));
        }
        Ok(())
    }

    /// The steps that a part takes, more or less.
    fn cost(&mut self, part: &mut IdedExpr) -> Result<u64, String> {
        if let Some(input) = self.constant_path(&part.expr) {
            part.expr = Expr::Ident(input.name.clone());
            self.reads.push(input);
            return Ok(1);
        }
        self.level += 1;
        if self.level > LEVELS {
            return Err(format!("nests more than {LEVELS} levels; simplify it"));
        }
        let inner = self.inner(part)?;
        self.level -= 1;
        Ok(inner.saturating_add(1))
    }

    /// The steps that what a part is made of takes.
    fn inner(&mut self, part: &mut IdedExpr) -> Result<u64, String> {
        Ok(match &mut part.expr {
            Expr::Literal(_) => 0,
            Expr::Ident(name) => self.variable(name)?,
            Expr::Select(select) => self.cost(&mut select.operand)?,
            Expr::List(list) => self.sum(list.elements.iter_mut())?,
            Expr::Map(map) => {
                let mut steps = 0;
                for entry in &mut map.entries {
                    let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                        return Err("builds a message; CEL over an object has none".to_owned());
                    };
                    steps += self.cost(&mut entry.key)? + self.cost(&mut entry.value)?;
                }
                steps
            }
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            Expr::Struct(_) | Expr::Unspecified => {
                return Err("builds a message; CEL over an object has none".to_owned());
            }
        })
    }

    fn sum<'p>(&mut self, parts: impl Iterator<Item = &'p mut IdedExpr>) -> Result<u64, String> {
        let mut steps = 0_u64;
        for part in parts {
            steps = steps.saturating_add(self.cost(part)?);
        }
        Ok(steps)
    }

    fn variable(&self, name: &str) -> Result<u64, String> {
        if self.scope.iter().any(|known| known == name) {
            Ok(0)
        } else if name == OBJECT {
            Err(format!(
                "reads the whole of {OBJECT}; name the field that it needs, such as {OBJECT}.status.phase"
            ))
        } else {
            Err(format!(
                "names \"{}\", which is not known; what it can read is {OBJECT}",
                Excerpt(name)
            ))
        }
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<u64, String> {
        let name = call.func_name.as_str();
        let prefix = match call.target.as_deref() {
            Some(IdedExpr {
                expr: Expr::Ident(prefix),
                ..
            }) if !self.scope.contains(prefix) => Some(format!("{prefix}.{name}")),
            _ => None,
        };
        let qualified = prefix.filter(|name| self.exists(name));
        let known = qualified.as_deref().unwrap_or(name);
        if UNBOUNDED.contains(&known) {
            return Err(format!(
                "calls {known}, whose result may have any size; there is no such function here"
            ));
        }
        if !is_operator(name) && !self.exists(known) {
            return Err(format!(
                "calls {}, which is not known; see the functions of CEL in Kubernetes",
                Excerpt(name)
            ));
        }
        let target = match (qualified, &mut call.target) {
            (None, Some(target)) => self.cost(target)?,
            _ => 0,
        };
        Ok(target.saturating_add(self.sum(call.args.iter_mut())?))
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> Result<u64, String> {
        if comprehension.iter_var2.is_some() {
            return Err(
                "has a loop of two variables, which is not supported; loop over the keys"
                    .to_owned(),
            );
        }
        let once = self.cost(&mut comprehension.iter_range)?;
        let once = once.saturating_add(self.cost(&mut comprehension.accu_init)?);
        let outside = self.scope.len();
        self.scope.push(comprehension.accu_var.clone());
        self.scope.push(comprehension.iter_var.clone());
        let turn = self.cost(&mut comprehension.loop_cond)?;
        let turn = turn.saturating_add(self.cost(&mut comprehension.loop_step)?);
        let result = self.cost(&mut comprehension.result)?;
        self.scope.truncate(outside);
        instrument(comprehension, turn);
        Ok(once
            .saturating_add(turn.saturating_mul(TURNS))
            .saturating_add(result))
    }

    /// The path that a chain of fields names, where it begins at the object.
    fn constant_path(&self, expr: &Expr) -> Option<Input> {
        let Expr::Select(select) = expr else {
            return None;
        };
        if self.scope.iter().any(|known| known == OBJECT) {
            return None;
        }
        let mut names = vec![select.field.as_str()];
        let mut operand = &select.operand.expr;
        while let Expr::Select(SelectExpr {
            operand: inner,
            field,
            test: false,
        }) = operand
        {
            names.push(field);
            operand = &inner.expr;
        }
        if !matches!(operand, Expr::Ident(name) if name == OBJECT) {
            return None;
        }
        names.reverse();
        let has = if select.test { HAS } else { "" };
        Some(Input {
            name: format!("{has}{OBJECT}.{}", names.join(".")),
            presence: select.test,
        })
    }

    /// Whether there is a function of this name: it is asked for, and then has no arguments.
    fn exists(&self, name: &str) -> bool {
        let call = IdedExpr {
            id: 0,
            expr: Expr::Call(CallExpr {
                func_name: name.to_owned(),
                target: None,
                args: Vec::new(),
            }),
        };
        let answer = Value::resolve(&call, self.functions);
        !matches!(answer, Err(ExecutionError::UndeclaredReference(_)))
    }
}

/// Operators are written as names that no identifier has.
fn is_operator(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Makes a loop go over its range in order, and spend at each turn before it asks whether to go on.
fn instrument(comprehension: &mut ComprehensionExpr, turn: u64) {
    let part = |expr| IdedExpr { id: 0, expr };
    let turn = i64::try_from(turn).unwrap_or(i64::MAX);
    let spend = part(Expr::Call(CallExpr {
        func_name: SPEND.to_owned(),
        target: None,
        args: vec![
            part(Expr::Ident(BUDGET.to_owned())),
            part(Expr::Literal(LiteralValue::Int(turn.into()))),
            part(Expr::Ident(comprehension.accu_var.clone())),
        ],
    }));
    let range = std::mem::take(&mut comprehension.iter_range);
    comprehension.iter_range = part(Expr::Call(CallExpr {
        func_name: ITEMS.to_owned(),
        target: None,
        args: vec![range],
    }));
    let condition = std::mem::take(&mut comprehension.loop_cond);
    comprehension.loop_cond = part(Expr::Call(CallExpr {
        func_name: operators::LOGICAL_AND.to_owned(),
        target: None,
        args: vec![spend, condition],
    }));
}
