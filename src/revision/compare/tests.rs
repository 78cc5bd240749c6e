//! What changed between two schemas, and what it may harm.

use std::collections::BTreeSet;

use rstest::rstest;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::revision::change::{Change, Class, Condition, MAX_CHANGES};

/// One change of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    change: String,
    /// Where it is made: in the schema, its version, or the definition.
    #[serde(default)]
    at: Place,
    #[serde(default = "nothing")]
    old: Value,
    #[serde(default = "nothing")]
    new: Value,
    /// `status.storedVersions`, where it is known.
    stored: Option<Vec<String>>,
    class: String,
    rule: String,
    /// What crdify's documentation says of it.
    crdify: Option<Crdify>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Place {
    #[default]
    Schema,
    Version,
    Definition,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Crdify {
    Incompatible,
    Compatible,
}

fn nothing() -> Value {
    json!({})
}

fn table() -> Vec<Row> {
    serde_saphyr::from_str(include_str!("tests/changes.yaml")).unwrap()
}

impl Row {
    fn changes(&self) -> Changes {
        let [old, new] = [&self.old, &self.new].map(|side| match self.at {
            Place::Schema => definition(side),
            Place::Version => {
                let mut spec = definition(&json!({"type": "object"}));
                merge(&mut spec["versions"][0], side);
                spec
            }
            Place::Definition => {
                let mut spec = definition(&json!({"type": "object"}));
                merge(&mut spec, side);
                spec
            }
        });
        compare(&old, &new, self.stored.as_deref())
    }

    /// What is wrong with the judgment of this change.
    fn misjudged(&self) -> Option<String> {
        let changes = self.changes();
        let worst = changes.worst().map_or("none", Class::name);
        let judged_by =
            |change: &Change| change.class.name() == self.class && change.rule == self.rule;
        if worst == self.class && changes.listed.iter().any(judged_by) {
            return None;
        }
        let found: Vec<_> = changes
            .listed
            .iter()
            .map(|change| format!("{} {}", change.class, change.rule))
            .collect();
        Some(format!(
            "{}: {} by {} expected, found {found:?}",
            self.change, self.class, self.rule
        ))
    }
}

#[test]
fn every_change_of_the_table_has_its_class_and_rule() {
    let wrong: Vec<String> = table().iter().filter_map(Row::misjudged).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_large_and_has_every_rule_that_crdify_documents() {
    let table = table();
    assert!(table.len() >= 80, "{} changes", table.len());
    let names: BTreeSet<_> = table.iter().map(|row| &*row.change).collect();
    assert_eq!(names.len(), table.len(), "a change is there twice");
    let documented: BTreeSet<_> = table
        .iter()
        .filter(|row| row.crdify.is_some())
        .map(|row| &*row.rule)
        .collect();
    for rule in [
        "scope",
        "existingFieldRemoval",
        "storedVersionRemoval",
        "enum",
        "default",
        "maximum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minimum",
        "minItems",
        "minLength",
        "minProperties",
        "required",
        "type",
        "description",
        "pattern",
        "nullable",
    ] {
        assert!(documented.contains(rule), "{rule}");
    }
}

#[test]
fn what_crdify_calls_incompatible_is_never_safe() {
    let incompatible = |row: &&Row| row.crdify == Some(Crdify::Incompatible);
    for row in table().iter().filter(incompatible) {
        let worst = row.changes().worst();
        assert!(worst > Some(Class::Safe), "{}: {worst:?}", row.change);
    }
}

#[test]
fn a_schema_compared_with_itself_has_no_changes() {
    for row in table() {
        if row.at == Place::Schema {
            let spec = definition(&row.new);
            assert_eq!(
                compare(&spec, &spec, None),
                Changes::default(),
                "{}",
                row.change
            );
        }
    }
}

#[rstest]
#[case(json!({"type": "string"}), json!({"type": "integer"}), "versions[v1]", "type would go from \"string\" to \"integer\"")]
#[case(json!({}), json!({"maxLength": 5}), "versions[v1]", "maxLength would be added as 5")]
#[case(json!({"items": {"type": "string"}}), json!({"items": {"type": "number"}}), "versions[v1][]", "type")]
#[case(
    json!({"additionalProperties": {"maxLength": 5}}), json!({"additionalProperties": {"maxLength": 4}}),
    "versions[v1].*", "from 5 to 4",
)]
#[case(
    json!({"properties": {"a": {"properties": {"b/c": {"type": "string"}}}}}),
    json!({"properties": {"a": {"properties": {}}}}),
    "versions[v1].a['b/c']", "would be removed",
)]
fn a_change_is_told_with_its_path_and_both_values(
    #[case] old: Value,
    #[case] new: Value,
    #[case] path: &str,
    #[case] message: &str,
) {
    let found = compare(&definition(&old), &definition(&new), None);
    assert_eq!(found.listed.len(), 1, "{found:#?}");
    assert_eq!(found.listed[0].path, path);
    assert!(found.listed[0].message.contains(message), "{found:#?}");
}

#[test]
fn a_change_within_a_map_of_values_does_not_flag_the_map_itself() {
    let map = |maximum: u32| definition(&json!({"additionalProperties": {"maximum": maximum}}));
    let found = compare(&map(1), &map(2), None);
    assert_eq!(found.worst(), Some(Class::Safe), "{found:#?}");
}

#[test]
fn a_difference_between_two_served_versions_counts_once() {
    let pair = |maximum: u32| {
        let mut spec = definition(&json!({"type": "integer"}));
        let second = json!({"name": "v2", "served": true, "storage": false,
            "schema": {"openAPIV3Schema": {"type": "integer", "maximum": maximum}}});
        spec["versions"].as_array_mut().unwrap().push(second);
        spec
    };
    let one = definition(&json!({"type": "integer"}));
    let found = compare(&one, &pair(9), None);
    let paths: Vec<_> = found
        .at_least(Class::Conditional(Condition::Clients))
        .map(|found| &*found.path)
        .collect();
    assert_eq!(paths, ["versions[v2]", "versions[v1 → v2]"], "{found:#?}");
    assert_eq!(compare(&pair(9), &pair(9), None), Changes::default());
    let mut documented = pair(9);
    documented["versions"][1]["schema"]["openAPIV3Schema"]["description"] = json!("said");
    assert_eq!(
        compare(&pair(9), &documented, None).worst(),
        Some(Class::Safe)
    );
}

#[test]
fn what_a_controller_injects_is_no_change() {
    let with = |bundle: &str| {
        let mut spec = definition(&json!({"type": "object"}));
        spec["conversion"] = json!({"strategy": "Webhook", "webhook": {
            "clientConfig": {"caBundle": bundle, "service": {"name": "s", "namespace": "n"}},
            "conversionReviewVersions": ["v1"]}});
        spec
    };
    assert_eq!(
        compare(&with("QQ=="), &with("Qg=="), None),
        Changes::default()
    );
}

#[test]
fn changes_and_their_texts_are_bounded_and_the_worst_is_kept() {
    let many = |kind: &str, last: bool| {
        let mut properties: serde_json::Map<_, _> = (0..500)
            .map(|n| {
                (
                    format!("{}{n}", "é".repeat(300)),
                    json!({"description": kind.repeat(99)}),
                )
            })
            .collect();
        properties.insert(
            "z".to_owned(),
            json!({"type": if last { "string" } else { "integer" }}),
        );
        definition(&json!({"properties": properties}))
    };
    let found = compare(&many("a", false), &many("b", true), None);
    assert_eq!(found.worst(), Some(Class::Unsafe));
    assert_eq!(found.listed.len(), MAX_CHANGES + 1);
    assert_eq!(found.omitted, 500 - MAX_CHANGES);
    let short = |change: &Change| change.path.len() < 300 && change.message.len() < 300;
    assert!(found.listed.iter().all(short));
}

/// Puts the fields of `patch` into `value`, and takes away those that are null.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return };
    for (name, field) in patch {
        if field.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else {
            value[name] = field.clone();
        }
    }
}

fn definition(schema: &Value) -> Value {
    json!({
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Foo", "plural": "foos"},
        "conversion": {"strategy": "None"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }],
    })
}
