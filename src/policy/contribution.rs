//! A contribution: the keys that one circuit wants in its layers.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::policy::allowance::Allowance;
use crate::policy::layer::{LayerName, RuntimeValue};
use crate::policy::plan::{Plan, RuntimeSwitch, Shed};

/// Who desires a key: a number the engine gives to each circuit, the same on every replica
/// or not; only its identity and order matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub Arc<str>);

/// Envoy sheds this percent of a cluster's requests with 503, from the next request on.
const MAINTENANCE_MODE: &str = "upstream.maintenance_mode.";

/// What one circuit wants published.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// In no particular order; the same key at most once per layer.
    pub keys: Vec<DesiredKey>,
}

/// One key that a circuit wants in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredKey {
    /// Where.
    pub layer: LayerName,
    /// Which key.
    pub key: Arc<str>,
    /// What.
    pub value: RuntimeValue,
    /// Which of several desired values of one key wins, and which keys a full layer keeps.
    pub rank: Rank,
}

/// How severe a desired key is; the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A published condition.
    Condition,
    /// A runtime switch of a Closed circuit.
    Closed,
    /// A runtime switch of a circuit that is not Closed.
    Open,
    /// Percent shed.
    Shed(u8),
}

/// What is enforced of one circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// The state in force, overrides applied.
    pub state: StateName,
    /// Percent admitted in HalfOpen.
    pub admit_percent: u8,
    /// False where the cause is no evidence that the service is sick.
    pub sheds: bool,
}

/// The object that a circuit is about.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Something that a policy asks for and its contract does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The policy's field.
    pub field: Box<str>,
    /// What, and what to do.
    pub message: Box<str>,
}

/// What one circuit contributes, and what of it the contract refuses.
pub fn contribution(
    plan: &Plan,
    allowance: &Allowance,
    object: Named<'_>,
    enforcement: Enforcement,
    values: &[(Arc<str>, RuntimeValue)],
) -> (Contribution, Vec<Refusal>) {
    let mut contribution = Contribution::default();
    let mut refusals = Vec::new();
    for (index, shed) in plan.shed.iter().enumerate() {
        match shed_wish(plan, allowance, object, enforcement, shed) {
            Ok(key) => contribution.keys.extend(key),
            Err(message) => refusals.push(Refusal::new(
                format!("spec.mesh.shed[{index}].cluster"),
                message,
            )),
        }
    }
    for (index, switch) in plan.runtime.iter().enumerate() {
        match switch_wish(plan, allowance, object, enforcement, switch) {
            Ok(key) => contribution.keys.push(key),
            Err(message) => refusals.push(Refusal::new(
                format!("spec.mesh.runtime[{index}].key"),
                message,
            )),
        }
    }
    contribution
        .keys
        .extend(condition_wishes(plan, object, values));
    (contribution, refusals)
}

fn shed_wish(
    plan: &Plan,
    allowance: &Allowance,
    object: Named<'_>,
    enforcement: Enforcement,
    shed: &Shed,
) -> Result<Option<DesiredKey>, String> {
    let cluster = shed.cluster.render(object.namespace, object.name);
    if !allowance.allows_cluster(object.namespace, object.name, &cluster) {
        return Err(format!(
            "cluster \"{cluster}\" is not in the contract's spec.mesh.clusters; ask the platform team to list it"
        ));
    }
    let percent = shed_percent(shed.percent, enforcement);
    Ok((percent > 0).then(|| DesiredKey {
        layer: plan.layer.clone(),
        key: format!("{MAINTENANCE_MODE}{cluster}").into(),
        value: RuntimeValue::Number(f64::from(percent)),
        rank: Rank::Shed(percent),
    }))
}

/// What is left to shed after the admitted percent, rounded up: while probing, letting
/// through less than promised is the mistake that hurts nobody.
fn shed_percent(percent: u8, enforcement: Enforcement) -> u8 {
    let shed = match enforcement.state {
        _ if !enforcement.sheds => 0,
        StateName::Closed => 0,
        StateName::Open => 100,
        StateName::HalfOpen => 100_u16.saturating_sub(enforcement.admit_percent.into()),
    };
    let scaled = (u16::from(percent.min(100)) * shed).div_ceil(100);
    u8::try_from(scaled).unwrap_or(100)
}

/// A switch returns to its closed value with Closed only: a canary's weight is not something to probe with.
fn switch_wish(
    plan: &Plan,
    allowance: &Allowance,
    object: Named<'_>,
    enforcement: Enforcement,
    switch: &RuntimeSwitch,
) -> Result<DesiredKey, String> {
    let key = switch.key.render(object.namespace, object.name);
    if !allowance.allows_runtime(object.namespace, object.name, &key) {
        return Err(format!(
            "runtime key \"{key}\" starts with nothing in the contract's spec.mesh.runtime, or is reserved; ask the platform team to list its prefix"
        ));
    }
    let open = enforcement.sheds && enforcement.state != StateName::Closed;
    let (value, rank) = if open {
        (&switch.open, Rank::Open)
    } else {
        (&switch.closed, Rank::Closed)
    };
    Ok(DesiredKey {
        layer: plan.layer.clone(),
        key: key.into(),
        value: value.clone(),
        rank,
    })
}

fn condition_wishes<'a>(
    plan: &'a Plan,
    object: Named<'a>,
    values: &'a [(Arc<str>, RuntimeValue)],
) -> impl Iterator<Item = DesiredKey> + 'a {
    plan.publish_conditions.iter().flat_map(move |target| {
        values.iter().map(move |(key, value)| DesiredKey {
            layer: target.layer.clone(),
            key: format!("fusegate.{}.{}.{key}", target.kind, object.name).into(),
            value: value.clone(),
            rank: Rank::Condition,
        })
    })
}

impl Refusal {
    fn new(field: String, message: String) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(100, StateName::Open, 0, true, 100)]
    #[case(60, StateName::Open, 0, true, 60)]
    #[case(100, StateName::HalfOpen, 10, true, 90)]
    #[case(33, StateName::HalfOpen, 50, true, 17)]
    #[case(100, StateName::Closed, 0, true, 0)]
    #[case(100, StateName::Open, 0, false, 0)]
    fn a_cluster_is_shed_by_what_the_state_does_not_admit(
        #[case] percent: u8,
        #[case] state: StateName,
        #[case] admit_percent: u8,
        #[case] sheds: bool,
        #[case] expected: u8,
    ) {
        let enforcement = Enforcement {
            state,
            admit_percent,
            sheds,
        };
        assert_eq!(shed_percent(percent, enforcement), expected);
    }
}
