//! A declaration: how a contract's rule becomes the kind of a condition.

use fusegate_crds::{ConditionRule, ConditionType, Scalar};

use crate::condition::kind::{Bound, Bounds, Kind};

impl Kind {
    /// The kind that a contract declares.
    ///
    /// # Errors
    ///
    /// The field of the rule that is wrong, and why.
    pub(super) fn try_new(rule: &ConditionRule) -> Result<Self, (&'static str, String)> {
        let unbounded = Self::of(rule);
        if unbounded.bounds().is_none() && (rule.minimum.is_some() || rule.maximum.is_some()) {
            return Err((
                "type",
                format!(
                    "is {}, which has no minimum and no maximum; remove them",
                    unbounded.as_str()
                ),
            ));
        }
        check_values(&unbounded, &rule.values).map_err(|words| ("values", words))?;
        unbounded.with_bounds(rule)
    }

    /// The kind without its bounds.
    fn of(rule: &ConditionRule) -> Self {
        let none = Bounds::default();
        match rule.type_ {
            ConditionType::Number => Self::Number(none),
            ConditionType::Integer => Self::Integer(none),
            ConditionType::Duration => Self::Duration(none),
            ConditionType::Quantity => Self::Quantity(none),
            ConditionType::Percent => Self::Percent(Bounds {
                minimum: Some(Bound::new(0.0, "0%")),
                maximum: Some(Bound::new(100.0, "100%")),
            }),
            ConditionType::Boolean => Self::Boolean,
            ConditionType::String => Self::String,
            ConditionType::Enum => Self::Enum(
                rule.values
                    .iter()
                    .map(|value| value.as_str().into())
                    .collect(),
            ),
            ConditionType::Presence => Self::Presence,
            ConditionType::Age => Self::Age,
        }
    }

    fn with_bounds(mut self, rule: &ConditionRule) -> Result<Self, (&'static str, String)> {
        let minimum = self.bound(rule.minimum.as_ref(), "minimum")?;
        let maximum = self.bound(rule.maximum.as_ref(), "maximum")?;
        let Some(bounds) = self.bounds_mut() else {
            return Ok(self);
        };
        bounds.minimum = minimum.or_else(|| bounds.minimum.take());
        bounds.maximum = maximum.or_else(|| bounds.maximum.take());
        match (&bounds.minimum, &bounds.maximum) {
            (Some(least), Some(greatest)) if least.number > greatest.number => Err((
                "minimum",
                format!(
                    "is {}, above the maximum of {}; no value could be legal",
                    least.text, greatest.text
                ),
            )),
            _ => Ok(self),
        }
    }

    fn bound(
        &self,
        scalar: Option<&Scalar>,
        field: &'static str,
    ) -> Result<Option<Bound>, (&'static str, String)> {
        let Some(scalar) = scalar else {
            return Ok(None);
        };
        let value = self.operand(scalar).map_err(|words| (field, words))?;
        Ok(value
            .number()
            .map(|number| Bound::new(number, &scalar.text())))
    }

    fn bounds_mut(&mut self) -> Option<&mut Bounds> {
        match self {
            Self::Number(bounds)
            | Self::Integer(bounds)
            | Self::Duration(bounds)
            | Self::Quantity(bounds)
            | Self::Percent(bounds) => Some(bounds),
            Self::Boolean | Self::String | Self::Enum(_) | Self::Presence | Self::Age => None,
        }
    }
}

/// An Enum's values must fit into a message; no other kind has any.
fn check_values(kind: &Kind, values: &[String]) -> Result<(), String> {
    const MOST: usize = 32;
    const LONGEST: usize = 63;
    let is_enum = matches!(kind, Kind::Enum(_));
    let fits = |value: &String| (1..=LONGEST).contains(&value.chars().count());
    if !is_enum && !values.is_empty() {
        Err("is set, and only an Enum has values; remove it or declare the type Enum".to_owned())
    } else if is_enum && !((1..=MOST).contains(&values.len()) && values.iter().all(fits)) {
        Err(format!(
            "has {} values; write from 1 to {MOST}, each of 1 to {LONGEST} characters",
            values.len()
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
