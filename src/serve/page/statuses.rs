//! The statuses: what policy and contract say of themselves and of one circuit.

use serde::Serialize;
use serde_json::Value;

use crate::serve::page::rule::plain;
use crate::wire::view::{CircuitView, PolicyView, View};

/// The most rollbacks that are told.
const MOST_INCIDENTS: usize = 8;

/// What is said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statuses {
    /// The policy's conditions.
    conditions: Value,
    /// What the policy's status says of this circuit.
    record: Value,
    contract: Option<String>,
    contract_conditions: Value,
    /// The last rollbacks of the CRD, whichever circuit asked for them.
    incidents: Vec<Value>,
}

impl Statuses {
    pub(super) fn of(view: &View, policy: &PolicyView, circuit: &CircuitView) -> Self {
        let status = policy.status.as_deref();
        let mut records = status.into_iter().flat_map(|status| &status.circuits);
        let record = records.find(|record| *record.uid == *circuit.uid);
        let name = policy.spec.as_deref().map(|spec| spec.contract.as_str());
        let contract = name.and_then(|name| view.contracts.get(name));
        let incidents = contract
            .into_iter()
            .flat_map(|contract| &contract.incidents);
        let told = contract.and_then(|contract| contract.status.as_deref());
        Self {
            conditions: status.map_or(Value::Null, |status| plain(&status.conditions)),
            record: record.map_or(Value::Null, plain),
            contract: name.map(str::to_owned),
            contract_conditions: told.map_or(Value::Null, |told| plain(&told.conditions)),
            incidents: incidents.rev().take(MOST_INCIDENTS).map(plain).collect(),
        }
    }
}
