//! The sweep: the same observations under many settings.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, DurationText, Scalar, TripRule};

use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::text;
use crate::condition::kind::Kind;

/// The most settings of one sweep: each costs as long as one simulation.
pub(super) const MOST_SETTINGS: usize = 100;

/// How many values a range of thresholds or times has, unless it says how far apart they are.
const VALUES: u32 = 5;

/// A field of `trip`, and the range of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    field: Field,
    /// The rule's condition, where a rule's field needs one to be told from others.
    condition: Option<String>,
    from: String,
    to: String,
    step: Option<String>,
}

/// A field that can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Consecutive,
    Within,
    AtLeast,
    Resample,
    Above,
    Below,
    ClearBelow,
    ClearAbove,
}

/// A text that is no axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAxis(String);

const FIELDS: [(&str, Field); 8] = [
    ("consecutive", Field::Consecutive),
    ("within", Field::Within),
    ("atLeast", Field::AtLeast),
    ("resample", Field::Resample),
    ("above", Field::Above),
    ("below", Field::Below),
    ("clearBelow", Field::ClearBelow),
    ("clearAbove", Field::ClearAbove),
];

impl FromStr for Axis {
    type Err = NoAxis;

    fn from_str(text: &str) -> Result<Self, NoAxis> {
        let form = "write FIELD=FROM..TO, or FIELD=FROM..TO/STEP, such as above=200ms..400ms/50ms";
        let (name, range) = text
            .split_once('=')
            .ok_or_else(|| NoAxis(form.to_owned()))?;
        let (condition, field) = match name.rsplit_once('.') {
            Some((condition, field)) => (Some(condition.to_owned()), field),
            None => (None, name),
        };
        let known = FIELDS.iter().find(|(known, _)| *known == field);
        let Some((_, field)) = known else {
            let names = FIELDS.map(|(name, _)| name).join(", ");
            return Err(NoAxis(format!(
                "\"{field}\" can't be swept; {form}, where FIELD is one of {names}"
            )));
        };
        let (range, step) = match range.split_once('/') {
            Some((range, step)) => (range, Some(step.to_owned())),
            None => (range, None),
        };
        let (from, to) = range.split_once("..").unwrap_or((range, range));
        if from.is_empty() || to.is_empty() {
            return Err(NoAxis(form.to_owned()));
        }
        Ok(Self {
            field: *field,
            condition,
            from: from.to_owned(),
            to: to.to_owned(),
            step,
        })
    }
}

/// One value of each axis, and the policy that has them.
#[derive(Debug)]
pub(super) struct Setting {
    /// Names and values.
    pub(super) values: Vec<(String, String)>,
    pub(super) policy: Arc<CircuitPolicySpec>,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.values.is_empty() {
            return f.write_str("as the policy is");
        }
        let parts = self.values.iter();
        let parts: Vec<String> = parts
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&parts.join(" "))
    }
}

/// Every combination of the axes' values, after the policy as it is.
pub(super) fn settings(axes: &[Axis], subject: &Subject) -> Result<Vec<Setting>, String> {
    let mut settings = vec![Setting {
        values: Vec::new(),
        policy: Arc::clone(&subject.policy),
    }];
    let mut combined = vec![(Vec::new(), (*subject.policy).clone())];
    for given in axes {
        let resolved = given
            .resolve(subject)
            .map_err(|why| format!("--sweep {}: {why}", given.name()))?;
        let mut next = Vec::new();
        for (values, policy) in &combined {
            for value in &resolved.values {
                let mut values: Vec<(String, String)> = values.clone();
                values.push((resolved.name.clone(), value.clone()));
                next.push((values, resolved.applied(policy.clone(), value)));
            }
            if next.len() > MOST_SETTINGS {
                return Err(format!(
                    "--sweep has more than {MOST_SETTINGS} settings; make ranges shorter, or steps longer"
                ));
            }
        }
        combined = next;
    }
    for (values, policy) in combined {
        let setting = Setting {
            values,
            policy: Arc::new(policy),
        };
        subject
            .lower(&setting.policy)
            .map_err(|why| format!("--sweep: the policy can't have {setting}: {why}"))?;
        settings.push(setting);
    }
    Ok(settings)
}

/// An axis that was held against the policy.
struct Resolved {
    name: String,
    field: Field,
    rule: usize,
    values: Vec<String>,
}

impl Axis {
    fn name(&self) -> String {
        let named = FIELDS.iter().find(|(_, field)| *field == self.field);
        let field = named.map_or("", |(name, _)| *name);
        match &self.condition {
            Some(condition) => format!("{condition}.{field}"),
            None => field.to_owned(),
        }
    }

    fn resolve(&self, subject: &Subject) -> Result<Resolved, String> {
        let rule = if self.field.is_of_rule() {
            self.rule(subject)?
        } else if let Some(condition) = &self.condition {
            return Err(format!(
                "is of the trip and of no condition; leave \"{condition}.\" out"
            ));
        } else {
            0
        };
        let unit = self.field.unit(subject, rule);
        let (from, to) = (unit.read(&self.from)?, unit.read(&self.to)?);
        let step = match &self.step {
            Some(step) => unit.read(step)?,
            None if matches!(unit, Unit::Whole) => 1.0,
            None => (to - from) / f64::from(VALUES - 1),
        };
        if from > to || (from < to && step <= 0.0) {
            return Err(
                "a range goes from the lesser value to the greater one, in steps above 0"
                    .to_owned(),
            );
        }
        let count = if from < to {
            (to - from) / step + 1e-9
        } else {
            0.0
        };
        if count >= 1_000.0 {
            return Err(format!(
                "has more than {MOST_SETTINGS} values; make the range shorter, or the step longer"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1,000"
        )]
        let count = count as u32;
        let mut values: Vec<String> = (0..=count)
            .map(|index| unit.write(from + f64::from(index) * step))
            .collect();
        values.dedup();
        Ok(Resolved {
            name: self.name(),
            field: self.field,
            rule,
            values,
        })
    }

    /// The one rule that has the field.
    fn rule(&self, subject: &Subject) -> Result<usize, String> {
        let rules = subject.policy.trip.when.iter().enumerate();
        let named = |rule: &TripRule| {
            self.condition
                .as_ref()
                .is_none_or(|condition| *condition == rule.condition)
        };
        let mut having = rules.filter(|(_, rule)| named(rule) && self.field.stands_in(rule));
        match (having.next(), having.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some((_, one)), Some((_, other))) => Err(format!(
                "several rules of the policy have it; write {}.{} or {}.{}",
                one.condition,
                self.name(),
                other.condition,
                self.name()
            )),
            (None, _) => Err("no rule of the policy has it".to_owned()),
        }
    }
}

impl Resolved {
    fn applied(&self, mut policy: CircuitPolicySpec, value: &str) -> CircuitPolicySpec {
        let trip = &mut policy.trip;
        let duration = || DurationText::from(value);
        let scalar = || Some(Scalar::Text(value.to_owned()));
        match (self.field, trip.when.get_mut(self.rule)) {
            (Field::Consecutive, _) => trip.consecutive = value.parse().unwrap_or_default(),
            (Field::Within, _) => trip.within = duration(),
            (Field::AtLeast, _) => trip.at_least = duration(),
            (Field::Resample, _) => trip.resample = duration(),
            (Field::Above, Some(rule)) => rule.above = scalar(),
            (Field::Below, Some(rule)) => rule.below = scalar(),
            (Field::ClearBelow, Some(rule)) => rule.clear_below = scalar(),
            (Field::ClearAbove, Some(rule)) => rule.clear_above = scalar(),
            (_, None) => {}
        }
        policy
    }
}

impl Field {
    const fn is_of_rule(self) -> bool {
        matches!(
            self,
            Self::Above | Self::Below | Self::ClearBelow | Self::ClearAbove
        )
    }

    /// Whether a rule can have it: hysteresis goes with its threshold.
    const fn stands_in(self, rule: &TripRule) -> bool {
        match self {
            Self::Above | Self::ClearBelow => rule.above.is_some(),
            Self::Below | Self::ClearAbove => rule.below.is_some(),
            Self::Consecutive | Self::Within | Self::AtLeast | Self::Resample => false,
        }
    }

    fn unit(self, subject: &Subject, rule: usize) -> Unit<'_> {
        match self {
            Self::Consecutive => return Unit::Whole,
            Self::Within | Self::AtLeast | Self::Resample => return Unit::Time,
            Self::Above | Self::Below | Self::ClearBelow | Self::ClearAbove => {}
        }
        let rule = subject.policy.trip.when.get(rule);
        let index = rule.and_then(|rule| subject.contract.index_of(&rule.condition));
        let condition = index.and_then(|index| subject.contract.conditions().get(index));
        condition.map_or(Unit::Whole, |condition| Unit::Of(&condition.kind))
    }
}

/// In what values are read and written.
enum Unit<'a> {
    Whole,
    Time,
    Of(&'a Kind),
}

impl Unit<'_> {
    fn read(&self, text: &str) -> Result<f64, String> {
        let number = match self {
            Self::Whole => text
                .parse::<u32>()
                .map(f64::from)
                .map_err(|_| format!("\"{text}\" is no whole number"))?,
            Self::Time => {
                let millis = DurationText::from(text)
                    .millis()
                    .map_err(|why| why.to_string())?;
                std::time::Duration::from_millis(millis).as_secs_f64() * 1_000.0
            }
            Self::Of(kind) => {
                let value = kind.operand(&Scalar::Text(text.to_owned()))?;
                value
                    .number()
                    .ok_or_else(|| format!("\"{text}\" is no number"))?
            }
        };
        Some(number)
            .filter(|number| number.is_finite())
            .ok_or_else(|| format!("\"{text}\" is not finite"))
    }

    fn write(&self, number: f64) -> String {
        match self {
            Self::Whole | Self::Of(Kind::Integer(_)) => text::number(number.round()),
            Self::Time => format!("{}ms", text::number(number.round())),
            Self::Of(Kind::Duration(_) | Kind::Age) => format!("{}ms", text::number(number)),
            Self::Of(Kind::Percent(_)) => format!("{}%", text::number(number)),
            Self::Of(_) => text::number(number),
        }
    }
}
