//! A revision: one schema that a CRD had, known by the hash of its canonical spec.
//!
//! The API server fills in defaults and leaves out what is empty, so the same schema has many
//! spellings; [`canonical::spec`] reduces them to one before it is hashed or compared.
//! Nothing here does IO: what may be rolled back to is decided from facts, see [`decide`].

pub mod canonical;
pub mod change;
pub mod compare;
pub mod decide;
pub mod judge;
pub mod owner;
pub mod tally;

use fusegate_crds::{IncidentRecord, IncidentState};
use serde_json::Value;
use twox_hash::XxHash3_128;

/// The hash of a CRD's `spec`, 32 hexadecimal digits, the same for every spelling of it.
///
/// It tells schemas apart, and is no protection against someone who builds collisions.
#[must_use]
pub fn hash(spec: &Value) -> String {
    digest(canonical::text(&canonical::spec(spec)).as_bytes())
}

/// The identity of an incident: a hash of the CRD's uid and of the schema being left.
#[must_use]
pub fn incident(crd_uid: &str, bad_hash: &str) -> String {
    digest(format!("{crd_uid}\0{bad_hash}").as_bytes())
}

/// When a CRD was last rolled back for another incident than this one; Unix milliseconds.
#[must_use]
pub fn last_rollback(incidents: &[IncidentRecord], crd_uid: &str, incident: &str) -> Option<i64> {
    let others = incidents.iter().filter(|record| {
        record.state == IncidentState::RolledBack
            && record.crd_uid == crd_uid
            && record.id != incident
    });
    others.filter_map(|record| Some(record.at?.millis())).max()
}

/// The spec to be written so that a CRD with the spec `live` gets that of `target`.
///
/// What controllers inject stays as it is live: an old certificate would break the conversion.
#[must_use]
pub fn restored(live: &Value, target: &Value) -> Value {
    const CLIENT: &str = "/conversion/webhook/clientConfig";
    const BUNDLE: &str = "caBundle";
    let mut spec = target.clone();
    let injected = live.pointer(CLIENT).and_then(|client| client.get(BUNDLE));
    if let Some(Value::Object(client)) = spec.pointer_mut(CLIENT)
        && let Some(injected) = injected
    {
        client.insert(BUNDLE.to_owned(), injected.clone());
    }
    spec
}

fn digest(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::defaults(
        json!({"group": "g", "scope": "Namespaced", "names": {"kind": "Foo", "plural": "foos"}, "versions": []}),
        json!({"conversion": {"strategy": "None"}, "group": "g", "preserveUnknownFields": false, "scope": "Namespaced",
            "names": {"kind": "Foo", "listKind": "FooList", "plural": "foos", "singular": "foo", "shortNames": []}, "versions": []}),
    )]
    #[case::port(
        json!({"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s"}}}}}),
        json!({"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s", "port": 443}}}}}),
    )]
    #[case::empty_schema_fields(
        schema(&json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        schema(&json!({"type": "object", "nullable": false, "required": [], "description": "",
            "properties": {"a": {"type": "string", "enum": [], "properties": {}}}})),
    )]
    #[case::whole_numbers(
        schema(&json!({"type": "number", "maximum": 5})),
        schema(&json!({"type": "number", "maximum": 5.0})),
    )]
    fn two_spellings_of_one_schema_have_one_hash(#[case] one: Value, #[case] other: Value) {
        assert_eq!(hash(&one), hash(&other));
    }

    #[rstest]
    #[case(json!({"type": "string"}), json!({"type": "integer"}))]
    #[case(json!({"type": "boolean", "default": false}), json!({"type": "boolean"}))]
    #[case(json!({"properties": {"nullable": {"type": "string"}}}), json!({"properties": {}}))]
    #[case(json!({"default": {"nullable": false}}), json!({"default": {}}))]
    #[case(json!({"enum": ["", "a"]}), json!({"enum": ["a"]}))]
    #[case(json!({"description": "one"}), json!({"description": "two"}))]
    fn two_schemas_have_two_hashes(#[case] one: Value, #[case] other: Value) {
        assert_ne!(hash(&schema(&one)), hash(&schema(&other)));
    }

    #[test]
    fn an_injected_certificate_is_no_schema_and_stays() {
        let with = |bundle: &str, maximum: u32| {
            let mut spec = schema(&json!({"maximum": maximum}));
            spec["conversion"] = json!({"strategy": "Webhook",
                "webhook": {"clientConfig": {"url": "https://c", "caBundle": bundle}}});
            spec
        };
        assert_eq!(hash(&with("old", 1)), hash(&with("new", 1)));
        assert_eq!(restored(&with("new", 2), &with("old", 1)), with("new", 1));
        let plain = schema(&json!({"maximum": 1}));
        assert_eq!(restored(&with("new", 2), &plain), plain);
    }

    #[test]
    fn a_hash_is_stable_from_build_to_build() {
        let spec = schema(&json!({"type": "object"}));
        assert_eq!(hash(&spec), "42f08393246f313331518a3879b983e3");
        assert_ne!(incident("uid-1", "h"), incident("uid-2", "h"));
    }

    fn schema(schema: &Value) -> Value {
        json!({"group": "g", "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]})
    }
}
