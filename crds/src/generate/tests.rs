//! The generated definitions: checked in as generated, bounded everywhere, and acceptable to API servers.

mod reference;

use std::path::Path;

use kube_cel::{compile_schema, estimate_rule_cost};
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::*;
use crate::{rule::KEYWORD, schema::Schema};

/// The schema of each definition, as JSON, with its name.
fn schemas() -> Vec<(String, Value)> {
    let version = |crd: &CustomResourceDefinition| {
        let schema = crd.spec.versions[0].schema.clone().unwrap();
        serde_json::to_value(schema.open_api_v3_schema.unwrap()).unwrap()
    };
    let named = |crd| (file_name(&crd), version(&crd));
    all().into_iter().map(named).collect()
}

/// Visits a schema and every schema within it, with the path of each.
fn visit(path: &str, schema: &Value, look: &mut impl FnMut(&str, &Map<String, Value>)) {
    let fields = schema.as_object().expect("a schema is an object");
    look(path, fields);
    let properties = fields.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        visit(&format!("{path}.{name}"), property, look);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = fields.get(keyword).filter(|child| child.is_object()) {
            visit(&format!("{path}[]"), child, look);
        }
    }
}

/// The paths of the schemas that a test objects to.
fn objections(objects: impl Fn(&Map<String, Value>) -> bool) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, schema) in schemas() {
        let mut seen = 0;
        visit(&name, &schema, &mut |path, fields| {
            seen += 1;
            if objects(fields) {
                paths.push(path.to_owned());
            }
        });
        assert!(seen > 10, "{name} has only {seen} schemas");
    }
    paths
}

#[test]
fn the_generated_files_are_what_the_code_generates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definitions = all().into_iter();
    let definitions = definitions.map(|crd| (folder.join(file_name(&crd)), yaml(&crd).unwrap()));
    let reference = (folder.join("../docs/reference.md"), reference::page());
    for (path, generated) in definitions.chain([reference]) {
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == generated,
            "{} differs from what the code generates; run: make generate",
            path.display(),
        );
    }
}

#[test]
fn the_yaml_reads_back_as_the_same_definition() {
    for crd in all() {
        let text = yaml(&crd).unwrap();
        let read: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
        assert!(read == crd, "{} changed on the way", file_name(&crd));
    }
}

#[test]
fn words_that_older_yaml_reads_as_booleans_are_quoted() {
    for crd in all() {
        for line in yaml(&crd).unwrap().lines() {
            let value = line.trim_start().trim_start_matches("- ");
            let value = value.split_once(": ").map_or(value, |(_, value)| value);
            let lower = value.to_lowercase();
            assert!(
                !["on", "off", "yes", "no", "y", "n", "~"].contains(&lower.as_str()),
                "{line}"
            );
        }
    }
}

#[test]
fn every_string_list_and_map_has_a_bound() {
    let unbounded = objections(|schema| {
        let bound = |keyword: &str| schema.contains_key(keyword) || schema.contains_key("enum");
        let is_text = schema.contains_key("x-kubernetes-int-or-string");
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => !bound("maxLength"),
            Some("array") => !bound("maxItems"),
            Some("object") => {
                schema.contains_key("additionalProperties") && !bound("maxProperties")
            }
            Some("integer") => !schema.contains_key("minimum"),
            Some("boolean") => false,
            _ => !is_text || !bound("maxLength"),
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn no_schema_lets_in_what_it_does_not_name() {
    let open = objections(|schema| {
        schema.contains_key("x-kubernetes-preserve-unknown-fields")
            || schema.get("nullable").is_some()
            || schema.get("additionalProperties") == Some(&json!(true))
            || (schema.get("type") == Some(&json!("object"))
                && !schema.contains_key("properties")
                && !schema.contains_key("additionalProperties"))
    });
    assert_eq!(open, Vec::<String>::new());
}

/// The rules of a structural schema that these schemas could break; what they don't use can't break any.
#[test]
fn the_schemas_are_structural() {
    let wrong = objections(|schema| {
        let junctors = ["allOf", "anyOf", "oneOf", "not", "$ref", "uniqueItems"];
        let has_junctor = junctors.iter().any(|keyword| schema.contains_key(*keyword));
        let is_text = schema.contains_key("x-kubernetes-int-or-string");
        let map_and_fields =
            schema.contains_key("properties") && schema.contains_key("additionalProperties");
        has_junctor || map_and_fields || (is_text == schema.contains_key("type"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn formats_are_those_that_kubernetes_knows() {
    let unknown = objections(|schema| {
        let format = schema.get("format").and_then(Value::as_str);
        format.is_some_and(|format| !FORMATS.contains(&format))
    });
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn the_keys_of_a_map_list_are_required() {
    let wrong = objections(|schema| {
        let keys = schema.get("x-kubernetes-list-map-keys");
        let is_map = schema.get("x-kubernetes-list-type") == Some(&json!("map"));
        let required = |key: &Value| {
            let required = schema["items"]["required"].as_array();
            required.is_some_and(|required| required.contains(key))
        };
        match keys.and_then(Value::as_array) {
            Some(keys) => !is_map || !keys.iter().all(required),
            None => is_map,
        }
    });
    assert_eq!(wrong, Vec::<String>::new());
}

/// The API server refuses a definition whose default is pruned or invalid, and one with a default under a list's set.
#[test]
fn every_default_is_legal_and_complete() {
    let wrong = objections(|schema| {
        let Some(default) = schema.get("default") else {
            return false;
        };
        let mut alone = schema.clone();
        alone.remove("default");
        let compiled = serde_json::from_value(alone.into()).unwrap();
        let compiled = Schema::try_new(compiled).unwrap();
        let mut filled = default.clone();
        compiled.fill(&mut filled);
        filled != *default || !compiled.check(default).is_empty()
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_status_has_no_defaults() {
    let mut defaults = Vec::new();
    for (name, schema) in schemas() {
        visit(
            &name,
            &schema["properties"]["status"],
            &mut |path, fields| {
                if fields.contains_key("default") {
                    defaults.push(path.to_owned());
                }
            },
        );
    }
    assert_eq!(defaults, Vec::<String>::new());
}

#[test]
fn every_rule_compiles_and_has_a_bounded_cost() {
    let mut rules = 0;
    for (name, schema) in schemas() {
        visit(&name, &schema, &mut |path, fields| {
            let compiled = compile_schema(&fields.clone().into());
            assert!(
                !compiled.has_errors(),
                "{path}: {:?}",
                compiled.compilation_errors()
            );
            for rule in fields
                .get(KEYWORD)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                rules += 1;
                let text = rule["rule"].as_str().unwrap();
                let warnings = estimate_rule_cost(text, &compiled);
                assert!(warnings.is_empty(), "{path}: {text}: {warnings:?}");
                assert!(!rule["message"].as_str().unwrap().is_empty());
            }
        });
    }
    assert!(rules > 20, "only {rules} rules were found");
}

/// The API server prices the text of an int-or-string at 3 MiB, so that any rule over it is over budget.
#[test]
fn no_rule_sits_on_an_int_or_string() {
    let wrong = objections(|schema| {
        schema.contains_key("x-kubernetes-int-or-string") && schema.contains_key(KEYWORD)
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[rstest]
#[case(0, "circuitoverrides", "covr", "Namespaced", &["Policy", "Object", "State", "Until", "Age"])]
#[case(1, "circuitpolicies", "cpol", "Namespaced", &["Mode", "Open", "Armed", "Accepted", "Age"])]
#[case(2, "conditioncontracts", "cctr", "Cluster", &["Kind", "Entries", "Rollback", "Accepted", "Age"])]
fn each_kind_has_its_names_and_columns(
    #[case] index: usize,
    #[case] plural: &str,
    #[case] short: &str,
    #[case] scope: &str,
    #[case] columns: &[&str],
) {
    let crd = &all()[index];
    assert_eq!(crd.metadata.name, Some(format!("{plural}.fusegate.io")));
    assert_eq!(crd.spec.scope, scope);
    assert_eq!(crd.spec.names.plural, plural);
    assert_eq!(crd.spec.names.short_names, Some(vec![short.to_owned()]));
    assert_eq!(crd.spec.names.categories, Some(vec!["fusegate".to_owned()]));
    let version = &crd.spec.versions[0];
    let subresources = version.subresources.as_ref().unwrap();
    assert!(subresources.status.is_some());
    let shown = version.additional_printer_columns.iter().flatten();
    let shown: Vec<&str> = shown.map(|column| column.name.as_str()).collect();
    assert_eq!(shown, columns);
}
