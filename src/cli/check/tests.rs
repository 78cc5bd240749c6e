//! Golden tests: documents in, lines out.

use std::fs;

use super::*;

const CONTRACT: &str = "\
apiVersion: fusegate.io/v1alpha1
kind: ConditionContract
metadata: {name: storefronts.shop.example.com}
spec:
  target: {group: shop.example.com, kind: Storefront}
  conditions:
  - {key: network-latency, type: Duration, minimum: 0s, maximum: 60s}
  - {key: error-rate, type: Number, minimum: 0, maximum: 1}
  mesh: {clusters: [\"{namespace}-*\"], runtime: [\"routing.{namespace}.\"]}
  rollback: {mode: Auto}
";

const POLICY: &str = "\
apiVersion: fusegate.io/v1alpha1
kind: CircuitPolicy
metadata: {name: checkout, namespace: shop}
spec:
  contract: storefronts.shop.example.com
  selector: {}
  mode: Enforce
  trip:
    when: [{condition: network-latency, above: 250ms, clearBelow: 200ms}]
  mesh:
    shed: [{cluster: \"shop-{name}\", percent: 100}]
";

const OBJECT: &str = "\
apiVersion: shop.example.com/v1
kind: Storefront
metadata: {name: web, namespace: shop}
status:
  conditions: {network-latency: 120ms, error-rate: 0.01}
";

/// Documents in on standard input, the output as people see it.
fn check(documents: &[&str]) -> (bool, String) {
    let check = Check {
        files: vec!["-".into()],
    };
    let mut out = Vec::new();
    let input = documents.join("---\n");
    let clean = check.print_from(input.as_bytes(), &mut out).unwrap();
    (clean, String::from_utf8(out).unwrap())
}

#[test]
fn what_fits_together_is_clean() {
    assert_eq!(
        check(&[CONTRACT, POLICY, OBJECT]),
        (true, "3 documents, 0 problems\n".to_owned())
    );
}

#[test]
fn a_contract_is_judged_by_its_schema_and_by_what_it_says() {
    insta::assert_snapshot!(problems(&[
        &CONTRACT.replace("minimum: 0, maximum: 1", "minimum: 1, maximum: 0"),
        &CONTRACT
            .replace("storefronts", "carts")
            .replace("type: Number", "type: Numeric")
            .replace("rollback:", "rolback:"),
    ]), @r#"
    <stdin>:1 ConditionContract storefronts.shop.example.com: spec.conditions[1]: minimum: must not be more than maximum
    <stdin>:2 ConditionContract carts.shop.example.com: spec: the required field `rollback` is missing; set it
    <stdin>:2 ConditionContract carts.shop.example.com: spec.conditions[1].type: is "Numeric", must be one of "Number", "Integer", "Duration", "Quantity", "Percent", "Boolean", "String", "Enum", "Presence", "Age"
    <stdin>:2 ConditionContract carts.shop.example.com: spec.rolback: unknown field; did you mean `rollback`?
    2 documents, 4 problems
    "#);
}

#[test]
fn policies_that_depend_on_each_other_in_a_circle_are_refused() {
    let depends = |name: &str, on: &str| {
        POLICY.replace("{name: checkout,", &format!("{{name: {name},"))
            + &format!("  dependsOn: [{{name: {on}}}]\n")
    };
    insta::assert_snapshot!(problems(&[
        CONTRACT,
        &depends("checkout", "database"),
        &depends("database", "checkout"),
        &depends("outside", "checkout"),
        &depends("alone", "elsewhere"),
    ]), @r#"
    <stdin>:2 CircuitPolicy shop/checkout: spec.dependsOn leads back to this policy: shop/checkout → shop/database → shop/checkout; none of them inhibits itself, remove one of these
    <stdin>:3 CircuitPolicy shop/database: spec.dependsOn leads back to this policy: shop/database → shop/checkout → shop/database; none of them inhibits itself, remove one of these
    5 documents, 2 problems
    "#);
}

#[test]
fn an_object_is_judged_by_its_spec_where_the_contract_reads_it() {
    let contract = "\
apiVersion: fusegate.io/v1alpha1
kind: ConditionContract
metadata: {name: deployments.apps}
spec:
  target: {group: apps, kind: Deployment}
  conditions:
  - {key: missing, type: Integer, maximum: 1, from: {cel: object.spec.replicas - object.status.readyReplicas}}
  rollback: {mode: \"Off\"}
";
    let object = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3}, status: {readyReplicas: 1}}\n";
    insta::assert_snapshot!(problems(&[contract, object]), @r#"
    <stdin>:2 Deployment default/web: object: key "missing" is 2, above the maximum of 1 that contract deployments.apps sets; report a value within it or change maximum there
    2 documents, 1 problem
    "#);
}

#[test]
fn an_object_of_a_cluster_scoped_kind_is_named_without_a_namespace() {
    let crd = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: storefronts.shop.example.com}
spec:
  group: shop.example.com
  scope: Cluster
  names: {kind: Storefront, plural: storefronts}
  versions: [{name: v1, served: true, storage: true}]
";
    let object = OBJECT
        .replace(", namespace: shop", "")
        .replace("120ms", "61s");
    insta::assert_snapshot!(problems(&[CONTRACT, &object, crd]), @r#"
    <stdin>:2 Storefront web: status.conditions["network-latency"]: key "network-latency" is 61s, above the maximum of 60s that contract storefronts.shop.example.com sets; report a value within it or change maximum there
    3 documents, 1 problem
    "#);
}

#[test]
fn a_policy_is_held_to_its_contract() {
    insta::assert_snapshot!(problems(&[
        CONTRACT,
        &POLICY.replace("network-latency", "latency"),
        &POLICY.replace("name: checkout", "name: units").replace("250ms", "fast"),
        &POLICY.replace("name: checkout", "name: orphan").replace("contract: storefronts", "contract: shops"),
        &POLICY.replace("name: checkout", "name: guest").replace("mesh:", "mesh:\n    layer: bank"),
    ]), @r#"
    <stdin>:2 CircuitPolicy shop/checkout: spec.trip.when[0].condition: "latency" is not declared by the contract, which declares network-latency, error-rate
    <stdin>:3 CircuitPolicy shop/units: spec.trip.when[0].above: is "fast", which is no Duration; write a number with a unit, such as "250ms"
    <stdin>:4 CircuitPolicy shop/orphan: spec.contract: there is no ConditionContract "shops.shop.example.com" in these files; give its file as well, or name another
    <stdin>:5 CircuitPolicy shop/guest: spec.mesh.layer: is "bank", must be the policy's namespace "shop", or begin with "shop."
    5 documents, 4 problems
    "#);
}

#[test]
fn a_policy_of_a_broken_contract_is_told_which() {
    insta::assert_snapshot!(problems(&[&CONTRACT.replace("Duration", "Time"), POLICY]), @r#"
    <stdin>:1 ConditionContract storefronts.shop.example.com: spec.conditions[0].type: is "Time", must be one of "Number", "Integer", "Duration", "Quantity", "Percent", "Boolean", "String", "Enum", "Presence", "Age"
    <stdin>:2 CircuitPolicy shop/checkout: spec.contract: ConditionContract "storefronts.shop.example.com" has problems itself; correct them first
    2 documents, 2 problems
    "#);
}

#[test]
fn a_cluster_outside_of_the_allowance_is_named_once_for_each_object() {
    let other = OBJECT.replace("name: web", "name: app");
    let policy = POLICY.replace("\"shop-{name}\"", "\"bank-{name}\"");
    insta::assert_snapshot!(problems(&[CONTRACT, &policy, OBJECT, &other]), @r#"
    <stdin>:2 CircuitPolicy shop/checkout: spec.mesh.shed[0].cluster: cluster "bank-app" is not in the contract's spec.mesh.clusters; ask the platform team to list it
    <stdin>:2 CircuitPolicy shop/checkout: spec.mesh.shed[0].cluster: cluster "bank-web" is not in the contract's spec.mesh.clusters; ask the platform team to list it
    4 documents, 2 problems
    "#);
}

#[test]
fn every_problem_is_named_and_only_contracted_kinds_are_judged() {
    insta::assert_snapshot!(problems(&[
        &OBJECT.replace("120ms", "2 parsecs").replace("0.01", ".nan, tier: gold"),
        CONTRACT,
        &OBJECT.replace("Storefront", "Basket").replace("120ms", "nonsense"),
    ]), @r#"
    <stdin>:1 Storefront shop/web: status.conditions["error-rate"]: key "error-rate" is "NaN", which can't be read as type Number, which contract storefronts.shop.example.com declares; write a number, such as 0.05
    <stdin>:1 Storefront shop/web: status.conditions["network-latency"]: key "network-latency" is "2 parsecs", which can't be read as type Duration, which contract storefronts.shop.example.com declares; write a number with a unit, such as "250ms"
    <stdin>:1 Storefront shop/web: status.conditions["tier"]: key "tier" is not declared by contract storefronts.shop.example.com; declare it there or set unknownKeys: Ignore
    3 documents, 3 problems
    "#);
}

#[test]
fn an_override_is_judged_by_its_schema() {
    insta::assert_snapshot!(problems(&["\
apiVersion: fusegate.io/v1alpha1
kind: CircuitOverride
metadata: {name: hold, namespace: shop}
spec: {policy: checkout, state: Closed, until: tomorrow}
"]), @r#"
    <stdin>:1 CircuitOverride shop/hold: spec: the required field `reason` is missing; set it
    <stdin>:1 CircuitOverride shop/hold: spec.state: is "Closed", must be one of "ForcedOpen", "ForcedClosed", "Observe"
    <stdin>:1 CircuitOverride shop/hold: spec.until: is "tomorrow", must match the pattern ^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$
    <stdin>:1 CircuitOverride shop/hold: spec.until: is "tomorrow", must be a time of RFC 3339 with an offset, such as 2026-11-22T14:05:28Z
    1 document, 4 problems
    "#);
}

#[test]
fn foreign_documents_pass_unread_and_a_malformed_document_hides_no_other() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'storefront:viewer'}\nrules: []\n";
    insta::assert_snapshot!(problems(&[
        CONTRACT,
        role,
        "apiVersion: apps/v1\nkind: [Deployment\n",
        &OBJECT.replace("120ms", "nonsense"),
    ]), @r#"
    <stdin>:3: line 18: unclosed bracket '['
    <stdin>:4 Storefront shop/web: status.conditions["network-latency"]: key "network-latency" is "nonsense", which can't be read as type Duration, which contract storefronts.shop.example.com declares; write a number with a unit, such as "250ms"
    3 documents, 2 problems
    "#);
}

#[test]
fn what_is_no_object_of_ours_is_named_instead_of_passed_over() {
    insta::assert_snapshot!(problems(&[
        "replicas: 3\n",
        &POLICY.replace("CircuitPolicy", "CircutPolicy"),
        &OBJECT.replace("name: web", "name: Web"),
        OBJECT,
        OBJECT,
        CONTRACT,
    ]), @r#"
    <stdin>:1: is no Kubernetes object; give it apiVersion, kind and metadata.name
    <stdin>:2: kind: fusegate.io has no kind CircutPolicy; write ConditionContract or CircuitPolicy or CircuitOverride
    <stdin>:3: Storefront of group shop.example.com: metadata.name is "Web", must be at most 253 characters: labels of lower-case letters, digits and '-', joined by '.'
    <stdin>:5 Storefront shop/web: is defined a second time, first in <stdin>:4; remove one
    6 documents, 4 problems
    "#);
}

#[test]
fn text_that_is_no_yaml_is_a_problem_with_its_line() {
    insta::assert_snapshot!(problems(&["a: 1\nb: [1, 2\n"]), @r#"
    <stdin>:1: line 2: unclosed bracket '['
    0 documents, 1 problem
    "#);
}

#[test]
fn a_folder_is_read_whole_and_each_problem_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("policies")).unwrap();
    fs::write(path("contract.yaml"), CONTRACT).unwrap();
    fs::write(
        path("policies/checkout.yml"),
        POLICY.replace("Enforce", "Force"),
    )
    .unwrap();
    fs::write(path("policies/notes.txt"), "not: [yaml").unwrap();
    fs::write(path("web.json"), "{\"apiVersion\": \"a/v1\"").unwrap();
    let check = Check {
        files: vec![folder.path().into()],
    };
    let mut out = Vec::new();
    let clean = check.print_from(&[] as &[u8], &mut out).unwrap();
    let root = folder.path().display().to_string();
    insta::assert_snapshot!(String::from_utf8(out).unwrap().replace(&root, "ROOT"), @r#"
    ROOT/policies/checkout.yml:1 CircuitPolicy shop/checkout: spec.mode: is "Force", must be one of "Enforce", "Observe"
    ROOT/web.json:1: line 1: unclosed bracket '{'
    2 documents, 2 problems
    "#);
    assert!(!clean);
}

#[test]
fn a_file_that_is_missing_is_a_failure_and_not_a_problem() {
    let check = Check {
        files: vec!["no/such/file.yaml".into()],
    };
    let failure = check.print_from(&[] as &[u8], &mut Vec::new()).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "no/such/file.yaml: can't be read; give a file or directory that exists and is readable"
    );
}

fn problems(documents: &[&str]) -> String {
    let (clean, text) = check(documents);
    assert!(!clean, "{text}");
    text
}
