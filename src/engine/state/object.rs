//! An object: the last report, and what of it is published.

use std::sync::Arc;

use fusegate_crds::Selector;

use crate::breaker::config::Rule;
use crate::breaker::judge::worst;
use crate::breaker::sample::{ObservationId, Reading, Unknown, Value};
use crate::breaker::step::{Legality, Report};
use crate::breaker::time::Wall;
use crate::condition::compact::{CompactEntry, CompactReport, CompactValue};
use crate::condition::unmeasured::{Failure, Unmeasured};
use crate::engine::state::contract::Compiled;
use crate::engine::state::version::Version;
use crate::policy::layer::RuntimeValue;
use crate::spec::policy::Policy;
use crate::wire::labels::Labels;

/// Keys and values as they are published.
pub(crate) type Values = Arc<[(Arc<str>, RuntimeValue)]>;

#[derive(Debug)]
pub(crate) struct ObjectEntry {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) resource_version: Version,
    pub(crate) epoch: u32,
    /// Read by a contract that has been edited since: no evidence until the source tells it again.
    pub(crate) outdated: bool,
    /// Whether the last report is.
    pub(crate) legal: bool,
    /// See [`crate::condition::report::Report::notes_hash`].
    pub(crate) notes: u16,
    pub(crate) labels: Labels,
    /// What the last report is read by.
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) kept: CompactReport,
    /// Few objects have any.
    pub(crate) held: Option<Box<HeldValues>>,
}

/// What is published in place of the last report.
#[derive(Debug)]
pub(crate) struct HeldValues {
    /// The last legal report and what it is read by, where the last report is not legal.
    legal: Option<(CompactReport, Arc<Compiled>)>,
    /// What was published before the trip.
    frozen: Option<Values>,
}

impl HeldValues {
    fn new(
        legal: Option<(CompactReport, Arc<Compiled>)>,
        frozen: Option<Values>,
    ) -> Option<Box<Self>> {
        let any = legal.is_some() || frozen.is_some();
        any.then(|| Box::new(Self { legal, frozen }))
    }
}

impl ObjectEntry {
    /// What is published of it now.
    pub(crate) fn shown(&self) -> Values {
        let frozen = self.frozen().cloned();
        frozen.unwrap_or_else(|| self.legal_values())
    }

    /// Its resource version, where that is a number: of one object, and so of its kind at one API server, the higher one
    /// is the newer one. A directory's are hashes.
    pub(crate) fn version(&self) -> Option<u64> {
        match self.resource_version {
            Version::Number(number) => Some(number),
            Version::Text(_) => None,
        }
    }

    /// The hash of what the condition of this key said; 0 where it said nothing.
    pub(crate) fn content_of(&self, key: &str) -> u64 {
        let conditions = self.compiled.contract.conditions().iter();
        let mut entries = conditions.zip(self.kept.entries());
        let found = entries.find(|(condition, _)| *condition.key == *key);
        found.map_or(0, |(_, entry)| entry.content())
    }

    /// What is kept published in place of newer values, while it is.
    pub(crate) fn frozen(&self) -> Option<&Values> {
        self.held.as_ref()?.frozen.as_ref()
    }

    /// Keeps values published in place of newer ones, or no longer.
    pub(crate) fn hold(&mut self, frozen: Option<Values>) {
        let legal = self.held.take().and_then(|held| held.legal);
        self.held = HeldValues::new(legal, frozen);
    }

    /// What a newer report leaves held of it: of an illegal one, what the last legal report said too.
    pub(crate) fn hand_on(&mut self, is_legal: bool) -> Option<Box<HeldValues>> {
        if !is_legal && !self.legal {
            return self.held.take();
        }
        let legal = (!is_legal).then(|| (self.kept.clone(), self.compiled.clone()));
        HeldValues::new(legal, self.frozen().cloned())
    }

    pub(crate) fn is_selected(&self, selector: &Selector) -> bool {
        selector.matches(|key| self.labels.get(key))
    }

    /// What the last legal report said.
    pub(crate) fn legal_values(&self) -> Values {
        if self.legal {
            return publishable(&self.kept, &self.compiled);
        }
        let legal = self.held.as_ref().and_then(|held| held.legal.as_ref());
        legal.map_or_else(Values::default, |(kept, compiled)| {
            publishable(kept, compiled)
        })
    }

    /// The last report, as the rules of a policy see it; `None` where it is no evidence any more.
    pub(crate) fn report_to(&self, policy: &Policy) -> Option<Report> {
        let mut entries = Vec::with_capacity(self.compiled.contract.conditions().len());
        entries.extend(self.kept.entries());
        let rules = policy.conditions.iter().zip(&policy.config.rules);
        let readings = rules.map(|(at, rule)| {
            let entry = entries.get(*at);
            entry.map_or_else(missing, |entry| reading(entry, rule))
        });
        (!self.outdated).then(|| Report {
            readings: readings.collect(),
            legality: Legality {
                legal: self.legal,
                id: ObservationId(self.kept.content),
            },
        })
    }
}

fn reading(entry: &CompactEntry<'_>, rule: &Rule) -> Reading {
    Reading {
        id: ObservationId(entry.id),
        observed_at: entry.observed_at.map(Wall),
        value: comparable(entry.value, rule),
    }
}

/// A value as rules compare it; of several the worst.
fn comparable(value: CompactValue<'_>, rule: &Rule) -> Result<Value, Unknown> {
    match value {
        CompactValue::Number(number) => Ok(Value::Number(number)),
        CompactValue::Boolean(flag) => Ok(Value::Bool(flag)),
        CompactValue::Text(text) => Ok(Value::Text(text.into())),
        CompactValue::Time(millis) => Ok(Value::Since(Wall(millis))),
        CompactValue::Several(each) => {
            worst(rule, each.iter().map(|(_, value)| comparable(value, rule)))
        }
        CompactValue::Missing => Err(Unknown::Missing),
        CompactValue::NotANumber => Err(Unknown::NotANumber),
        CompactValue::Unjudgeable => Err(Unknown::Illegal),
        CompactValue::Failed => Err(Unknown::Error),
        CompactValue::Unmeasured(why) => Err(unmeasured(why)),
    }
}

fn unmeasured(why: Unmeasured) -> Unknown {
    match why {
        Unmeasured::SeveralSeries => Unknown::SeveralSeries,
        Unmeasured::Old => Unknown::Stale,
        Unmeasured::Unanswered | Unmeasured::Failed(Failure::Failed) => Unknown::Error,
        Unmeasured::Failed(Failure::TimedOut) => Unknown::Timeout,
        Unmeasured::Failed(Failure::TooManySeries) => Unknown::TooManySeries,
    }
}

fn missing() -> Reading {
    Reading {
        id: ObservationId(0),
        observed_at: None,
        value: Err(Unknown::Missing),
    }
}

/// The declared conditions that have a value Envoy can hold.
fn publishable(kept: &CompactReport, compiled: &Compiled) -> Values {
    let mut values = Vec::new();
    for (condition, entry) in compiled.contract.conditions().iter().zip(kept.entries()) {
        match entry.value {
            CompactValue::Several(each) => {
                values.extend(each.iter().filter_map(|(name, value)| {
                    Some((condition.key_of(name)?.into(), published(value)?))
                }));
            }
            // A measured value that breaks its bounds makes no update illegal, and is left out by itself.
            CompactValue::Number(number)
                if condition.query().is_some() && !condition.kind.admits(number) => {}
            value => {
                let value = published(value);
                values.extend(value.map(|value| (condition.key.clone(), value)));
            }
        }
    }
    values.into()
}

fn published(value: CompactValue<'_>) -> Option<RuntimeValue> {
    match value {
        CompactValue::Boolean(flag) => Some(RuntimeValue::Bool(flag)),
        CompactValue::Text(text) => Some(RuntimeValue::Text(text.into())),
        CompactValue::Number(number) => Some(number)
            .filter(|number| number.is_finite())
            .map(RuntimeValue::Number),
        // An age is another one at every moment.
        CompactValue::Time(_)
        | CompactValue::Several(_)
        | CompactValue::Missing
        | CompactValue::NotANumber
        | CompactValue::Unjudgeable
        | CompactValue::Unmeasured(_)
        | CompactValue::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectEntry;

    #[test]
    fn what_is_kept_of_an_object_fits_a_size_that_allocators_have() {
        assert_eq!(size_of::<ObjectEntry>(), 112);
    }
}
