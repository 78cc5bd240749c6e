//! Outside the status: what else of an object a contract reads, cut out of it.
//!
//! Whoever decodes objects keeps this and the status, and nothing more.

use crate::condition::{
    contract::Contract,
    cursor::{Broken, Cursor},
    json::Json,
    place::Place,
};

/// What of an object a contract reads beside its status.
#[derive(Clone, Debug, PartialEq)]
pub struct Outside(Place);

impl Outside {
    /// What a contract reads beside the status; `None` where that is nothing.
    pub fn of(contract: &Contract) -> Option<Self> {
        let root = contract.root().without("status");
        root.leads_on().then_some(Self(root))
    }

    /// What two contracts read together.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.merge(other.0);
        self
    }

    /// Cuts it out of an object's JSON; `None` where that is no object.
    pub fn cut(&self, object: &str) -> Option<String> {
        let mut kept = String::new();
        copy(&self.0, &mut Cursor::new(object), &mut kept).ok()?;
        kept.starts_with('{').then_some(kept)
    }
}

/// Copies what is read of a value, and of what is only looked into the fields that lead on.
fn copy(place: &Place, cursor: &mut Cursor<'_>, kept: &mut String) -> Result<(), Broken> {
    let (start, first) = cursor.next_byte();
    if first != Some(b'{') || place.is_read() || place.each.is_some() {
        cursor.value()?;
        kept.push_str(cursor.since(start));
        return Ok(());
    }
    kept.push('{');
    let mut separator = "";
    cursor.members(|key, cursor| {
        let (Some(field), Json::Plain(name)) = (place.find(key), key) else {
            return cursor.value().map(drop);
        };
        kept.push_str(separator);
        separator = ",";
        kept.extend(["\"", name, "\":"]);
        copy(field, cursor, kept)
    })?;
    kept.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contract(conditions: &serde_json::Value) -> Contract {
        let spec = json!({
            "target": {"group": "apps", "kind": "Deployment"},
            "conditions": conditions,
            "rollback": {"mode": "Off"},
        });
        Contract::try_new("deployments.apps", &serde_json::from_value(spec).unwrap()).unwrap()
    }

    #[test]
    fn only_what_the_contract_reads_is_kept() {
        let contract = contract(&json!([
            {"key": "Available", "type": "Boolean"},
            {"key": "unready", "type": "Integer", "from": {"cel": "object.spec.replicas - object.status.readyReplicas"}},
            {"key": "deleting", "type": "Presence", "from": {"path": ".metadata.deletionTimestamp"}},
            {"key": "parts.*", "type": "String", "from": {"path": ".data.*"}},
        ]));
        let object = json!({
            "metadata": {"name": "shop", "managedFields": [{"a": 1}], "deletionTimestamp": "2026-11-22T14:05:28Z"},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [1, 2, 3]}}},
            "status": {"readyReplicas": 2},
            "data": {"a": "x", "b": "y"},
        });
        let kept = Outside::of(&contract)
            .unwrap()
            .cut(&object.to_string())
            .unwrap();
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
        assert_eq!(
            kept,
            json!({
                "metadata": {"deletionTimestamp": "2026-11-22T14:05:28Z"},
                "spec": {"replicas": 3},
                "data": {"a": "x", "b": "y"},
            })
        );
    }

    #[test]
    fn what_two_contracts_read_is_kept_for_both() {
        let read = |path: &str| {
            let key = json!({"key": "a", "type": "String", "from": {"path": path}});
            Outside::of(&contract(&json!([key]))).unwrap()
        };
        let both = read(".spec.replicas").with(read(".spec.paused"));
        let object = r#"{"spec": {"replicas": 3, "template": {"x": 1}, "paused": true}}"#;
        assert_eq!(
            both.cut(object).as_deref(),
            Some(r#"{"spec":{"replicas":3,"paused":true}}"#)
        );
    }

    #[test]
    fn a_contract_of_the_status_alone_reads_nothing_beside_it() {
        let contract = contract(&json!([
            {"key": "Available", "type": "Boolean"},
            {"key": "phase", "type": "String", "from": {"path": ".status.phase"}},
            {"key": "ready", "type": "Boolean", "from": {"cel": "object.status.ready > 1"}},
        ]));
        assert_eq!(Outside::of(&contract), None);
    }

    #[test]
    fn what_is_broken_or_no_object_leaves_nothing() {
        let contract = contract(&json!([
            {"key": "replicas", "type": "Integer", "from": {"path": ".spec.replicas"}},
        ]));
        let outside = Outside::of(&contract).unwrap();
        assert_eq!(outside.cut("[1]"), None);
        assert_eq!(outside.cut(r#"{"spec": {"replicas": "#), None);
        assert_eq!(
            outside.cut(r#"{"spec": 5}"#).as_deref(),
            Some(r#"{"spec":5}"#)
        );
        assert_eq!(outside.cut("{}").as_deref(), Some("{}"));
    }
}
