//! A rule of a policy, lowered against the condition that it judges.

use fusegate_crds::{Scalar, TripRule};

use crate::breaker::config::{Missing, Rule, Test};
use crate::breaker::sample::Value;
use crate::breaker::time::Span;
use crate::condition::contract::{Condition, Contract};
use crate::condition::value;
use crate::spec::problem::Problem;

/// Lowers `spec.trip.when[index]`.
pub fn lower(index: usize, rule: &TripRule, contract: &Contract) -> Result<Rule, Problem> {
    let field = format!("spec.trip.when[{index}]");
    let condition = contract
        .index_of(&rule.condition)
        .and_then(|at| contract.conditions().get(at))
        .ok_or_else(|| undeclared(&field, &rule.condition, contract))?;
    Ok(Rule {
        condition: rule.condition.as_str().into(),
        test: test(&field, rule, condition)?,
        missing: match rule.missing {
            fusegate_crds::Missing::Unknown => Missing::Unknown,
            fusegate_crds::Missing::Good => Missing::Good,
            fusegate_crds::Missing::Bad => Missing::Bad,
        },
        stale_after: condition.stale_after.map(Span),
    })
}

/// A typed condition's value as rules compare it.
fn comparable(value: &value::Value) -> Value {
    match value {
        value::Value::Boolean(flag) => Value::Bool(*flag),
        value::Value::Text(text) => Value::Text(text.clone().into()),
        number => Value::Number(number.number().unwrap_or(f64::NAN)),
    }
}

fn undeclared(field: &str, key: &str, contract: &Contract) -> Problem {
    let declared: Vec<&str> = contract
        .conditions()
        .iter()
        .map(|condition| &*condition.key)
        .collect();
    Problem::new(
        format!("{field}.condition"),
        format!(
            "\"{key}\" is not declared by the contract, which declares {}",
            declared.join(", ")
        ),
    )
}

fn test(field: &str, rule: &TripRule, condition: &Condition) -> Result<Test, Problem> {
    if let Some(limit) = &rule.above {
        return above(field, limit, rule, condition);
    }
    if let Some(limit) = &rule.below {
        return below(field, limit, rule, condition);
    }
    let value =
        |name: &str, scalar: &Scalar| operand(&format!("{field}.{name}"), scalar, condition);
    if let Some(scalar) = &rule.equals {
        return Ok(Test::Equals(value("equals", scalar)?));
    }
    if let Some(scalar) = &rule.not_equals {
        return Ok(Test::NotEquals(value("notEquals", scalar)?));
    }
    if rule.one_of.is_empty() {
        return Err(Problem::new(
            field,
            "one of above, below, equals, notEquals and in must be set",
        ));
    }
    let members = rule.one_of.iter().map(|scalar| value("in", scalar));
    Ok(Test::In(members.collect::<Result<_, _>>()?))
}

fn above(
    field: &str,
    limit: &Scalar,
    rule: &TripRule,
    condition: &Condition,
) -> Result<Test, Problem> {
    let limit = number(&format!("{field}.above"), limit, condition)?;
    let name = format!("{field}.clearBelow");
    let clear = rule.clear_below.as_ref();
    let clear = clear
        .map(|clear| number(&name, clear, condition))
        .transpose()?;
    match clear {
        Some(clear) if clear > limit => {
            Err(Problem::new(name, "must not lie above the limit in above"))
        }
        clear => Ok(Test::Above { limit, clear }),
    }
}

fn below(
    field: &str,
    limit: &Scalar,
    rule: &TripRule,
    condition: &Condition,
) -> Result<Test, Problem> {
    let limit = number(&format!("{field}.below"), limit, condition)?;
    let name = format!("{field}.clearAbove");
    let clear = rule.clear_above.as_ref();
    let clear = clear
        .map(|clear| number(&name, clear, condition))
        .transpose()?;
    match clear {
        Some(clear) if clear < limit => {
            Err(Problem::new(name, "must not lie below the limit in below"))
        }
        clear => Ok(Test::Below { limit, clear }),
    }
}

fn number(field: &str, scalar: &Scalar, condition: &Condition) -> Result<f64, Problem> {
    match operand(field, scalar, condition)? {
        Value::Number(number) if number.is_finite() => Ok(number),
        _ => Err(Problem::new(
            field,
            format!(
                "\"{scalar}\" is no finite number, and condition \"{}\" can only be compared with one here",
                condition.key
            ),
        )),
    }
}

fn operand(field: &str, scalar: &Scalar, condition: &Condition) -> Result<Value, Problem> {
    condition
        .kind
        .operand(scalar)
        .map(|value| comparable(&value))
        .map_err(|message| Problem::new(field, message))
}
