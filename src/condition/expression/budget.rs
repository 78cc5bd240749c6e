//! The budget: the steps that one evaluation of an expression may take.
//!
//! The check puts a call of [`SPEND`] at the head of each loop; it takes the cost of a turn, and of copying the list that the loop builds.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use kube_cel::cel::{
    Context, ExecutionError, Value,
    objects::{Key, Opaque},
};

/// The most steps: a few milliseconds' worth.
pub(super) const STEPS: i64 = 100_000;

/// The function that spends; no expression can name it.
pub(super) const SPEND: &str = "@spend";

/// The function that puts what a loop goes over in order; no expression can name it.
pub(super) const ITEMS: &str = "@items";

/// The variable that holds the budget.
pub(super) const BUDGET: &str = "@budget";

/// What is left.
#[derive(Debug)]
pub(super) struct Budget(AtomicI64);

impl Budget {
    /// Puts a whole budget into a scope.
    pub(super) fn put(scope: &mut Context<'_>) {
        let whole = Self(AtomicI64::new(STEPS));
        scope.add_variable_from_value(BUDGET, Value::Opaque(Arc::new(whole)));
    }

    fn spend(&self, steps: i64) -> bool {
        self.0.fetch_sub(steps, Ordering::Relaxed) >= steps
    }
}

impl Opaque for Budget {
    fn runtime_type_name(&self) -> &str {
        BUDGET
    }
}

/// Nothing compares budgets, but an opaque value must be comparable.
impl PartialEq for Budget {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Budget {}

/// Adds the functions that loops are made to call.
pub(super) fn register(mut functions: Context<'static>) -> Context<'static> {
    functions.add_function(SPEND, spend);
    functions.add_function(ITEMS, items);
    functions
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "a function of an expression can fail"
)]
/// What a loop goes over: the items of a list, and the keys of a map in their order, which a map itself does not keep.
fn items(range: Value) -> Result<Value, ExecutionError> {
    let Value::Map(map) = &range else {
        return Ok(range);
    };
    let mut keys: Vec<&Key> = map.map.keys().collect();
    keys.sort_unstable();
    let keys = keys.into_iter().map(|key| Value::from(key.clone()));
    Ok(Value::List(Arc::new(keys.collect())))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "a function of an expression takes its arguments by value"
)]
fn spend(budget: Value, steps: i64, built: Value) -> Result<bool, ExecutionError> {
    let copied = match &built {
        Value::List(list) => i64::try_from(list.len()).unwrap_or(i64::MAX),
        _ => 0,
    };
    let Value::Opaque(budget) = budget else {
        return Ok(false);
    };
    match budget.downcast_ref::<Budget>() {
        Some(budget) if budget.spend(steps.saturating_add(copied)) => Ok(true),
        _ => Err(ExecutionError::function_error(
            SPEND,
            format!("takes more than {STEPS} steps; loop over less"),
        )),
    }
}
