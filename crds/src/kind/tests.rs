//! The verdict of the CEL rules and of ours, over the same objects; and what a strict reading says.

use kube_cel::Validator;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{DurationText, Limits, PolicyMode, Scalar};

const CONTRACT: &str = r#"
apiVersion: fusegate.io/v1alpha1
kind: ConditionContract
metadata: {name: storefronts.shop.example.com}
spec:
  target: {group: shop.example.com, kind: Storefront}
  path: .status.conditions
  limits: {maxEntries: 10, maxDepth: 3, maxKeyLength: 63, maxValueBytes: 1024}
  unknownKeys: Reject
  conditions:
  - {key: network-latency, type: Duration, minimum: 0s, maximum: 60s, staleAfter: 90s}
  - {key: error-rate, type: Number, minimum: 0, maximum: 1}
  - {key: tier, type: Enum, values: [gold, silver]}
  admission: {mode: Deny}
  mesh: {clusters: ["{namespace}-*"], runtime: ["routing.{namespace}."]}
  rollback: {mode: Auto, changedWithin: 24h}
  history: {limit: 10}
"#;

const POLICY: &str = r#"
apiVersion: fusegate.io/v1alpha1
kind: CircuitPolicy
metadata: {name: checkout, namespace: shop}
spec:
  contract: storefronts.shop.example.com
  selector: {matchLabels: {tier: gold}}
  mode: Enforce
  trip:
    when: [{condition: network-latency, above: 250ms, clearBelow: 200ms}]
    consecutive: 3
    within: 10m
    atLeast: 0s
    resample: 30s
    illegal: Bad
  open: {minimum: 60s, maximum: 30m}
  halfOpen: {admitPercent: [10, 50], settle: 15s, successes: 3, timeout: 5m}
  flap: {trips: 5, within: 1h}
  maxOpenPercent: 50
  onTrip: [RejectUpdates, RollbackSchema, Alert]
  mesh:
    layer: shop
    shed: [{cluster: "shop-{name}", percent: 100}]
    runtime: [{key: routing.shop.canary, closed: 10, open: 0}]
    publishConditions: true
  alert: {severity: critical, annotations: {runbook_url: "https://example.com"}}
"#;

const OVERRIDE: &str = r"
apiVersion: fusegate.io/v1alpha1
kind: CircuitOverride
metadata: {name: mend, namespace: shop}
spec: {policy: checkout, object: front, state: ForcedClosed, until: 2026-11-22T14:05:28Z, reason: known cause}
";

/// An object with one value put in; `null` takes a field away, and an index past the end adds an item.
fn with(base: &str, pointer: &str, value: Value) -> Value {
    let mut object: Value = serde_saphyr::from_str(base).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => {
            let index: usize = name.parse().unwrap();
            items.truncate(index);
            items.push(value);
        }
        parent if value.is_null() => {
            parent.as_object_mut().unwrap().remove(name);
        }
        parent => parent[name] = value,
    }
    object
}

/// What each kind's CEL rules say, after the schema was satisfied, as the API server runs them.
fn cel_problems<T: Kind>(mut object: Value) -> Vec<Problem> {
    let crd = finished(T::crd());
    let schema = crd.spec.versions[0].schema.clone().unwrap();
    let schema = serde_json::to_value(schema.open_api_v3_schema).unwrap();
    T::schema().unwrap().fill(&mut object);
    let verdict = Validator::new().validate(&schema, &object, None);
    let errors = verdict.err().map(kube_cel::ValidationErrors::into_vec);
    let problem = |error: kube_cel::ValidationError| Problem {
        path: error.field_path,
        message: error.message,
    };
    let mut problems: Vec<Problem> = errors.into_iter().flatten().map(problem).collect();
    problems.sort();
    problems
}

fn strict_problems<T: Kind>(object: Value) -> Vec<Problem> {
    let mut problems = strict::<T>(object).err().unwrap_or_default();
    problems.sort();
    problems
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// Both forms of the rules have this one objection.
fn both_object<T: Kind>(object: &Value, problem: &str) {
    assert_eq!(texts(&strict_problems::<T>(object.clone())), [problem]);
    assert_eq!(texts(&cel_problems::<T>(object.clone())), [problem]);
}

#[test]
fn the_objects_of_the_design_are_legal() {
    fn legal<T: Kind>(text: &str) -> T {
        let object: Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(cel_problems::<T>(object.clone()), Vec::new());
        strict::<T>(object).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
    let contract: ConditionContract = legal(CONTRACT);
    assert_eq!(contract.spec.conditions.len(), 3);
    assert_eq!(
        contract.spec.conditions[0].minimum,
        Some(Scalar::from("0s"))
    );
    let policy: CircuitPolicy = legal(POLICY);
    assert_eq!(policy.spec.mode, PolicyMode::Enforce);
    assert_eq!(policy.spec.mesh.runtime[0].closed, Scalar::from(10));
    let overriding: CircuitOverride = legal(OVERRIDE);
    assert_eq!(overriding.spec.until.millis(), 1_795_356_328_000);
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_design() {
    let least = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "CircuitPolicy", "metadata": {"name": "p"},
        "spec": {"contract": "c", "selector": {}, "mode": "Observe",
            "trip": {"when": [{"condition": "k", "above": 1}]}},
    });
    let strictly: CircuitPolicy = strict(least.clone()).unwrap();
    let leniently: CircuitPolicy = serde_json::from_value(least).unwrap();
    assert_eq!(strictly.spec, leniently.spec);
    let spec = serde_json::to_value(&strictly.spec).unwrap();
    let expected = json!({
        "contract": "c", "selector": {}, "mode": "Observe",
        "trip": {"when": [{"condition": "k", "above": 1, "missing": "Unknown"}], "consecutive": 3, "within": "10m",
            "atLeast": "0s", "resample": "30s", "illegal": "Bad"},
        "open": {"minimum": "60s", "maximum": "30m"},
        "halfOpen": {"admitPercent": [10, 50], "begin": "Timer", "settle": "15s", "successes": 3, "timeout": "5m"},
        "flap": {"trips": 5, "within": "1h"},
        "maxOpenPercent": 50,
        "gate": {"unknown": "Hold"},
        "onTrip": ["RejectUpdates", "RollbackSchema", "Alert"],
        "mesh": {"publishConditions": false},
        "alert": {"severity": "critical"},
    });
    assert_eq!(spec, expected);

    let least = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract", "metadata": {"name": "c"},
        "spec": {"target": {"group": "g.io", "kind": "K"}, "rollback": {"mode": "Off"},
            "conditions": [{"key": "k", "type": "Number"}]},
    });
    let strictly: ConditionContract = strict(least.clone()).unwrap();
    let leniently: ConditionContract = serde_json::from_value(least).unwrap();
    assert_eq!(strictly.spec, leniently.spec);
    let spec = strictly.spec;
    assert_eq!(spec.path, ".status.conditions");
    assert_eq!(spec.limits, Limits::default());
    assert_eq!(spec.unknown_keys, None);
    assert_eq!(spec.admission.mode, crate::AdmissionMode::Off);
    assert_eq!(spec.rollback.changed_within, DurationText::from("24h"));
    assert_eq!(spec.history.limit, 10);
}

#[rstest]
#[case("/spec/trip/when/0", json!({"condition": "k"}), "spec.trip.when[0]: exactly one of above, below, equals, notEquals and in must be set")]
#[case("/spec/trip/when/0", json!({"condition": "k", "above": 1, "below": 1}), "spec.trip.when[0]: exactly one of above, below, equals, notEquals and in must be set")]
#[case("/spec/trip/when/1", json!({"condition": "k", "equals": "x", "in": ["x"]}), "spec.trip.when[1]: exactly one of above, below, equals, notEquals and in must be set")]
#[case("/spec/trip/when/0", json!({"condition": "k", "below": 1, "clearBelow": 1}), "spec.trip.when[0]: clearBelow: goes with above only")]
#[case("/spec/trip/when/0", json!({"condition": "k", "above": 1, "clearAbove": 1}), "spec.trip.when[0]: clearAbove: goes with below only")]
#[case("/spec/trip/within", json!("0ms"), "spec.trip: within: must be more than 0s, for a streak to fit in")]
#[case("/spec/trip/atLeast", json!("601s"), "spec.trip: atLeast: must not be more than within")]
#[case("/spec/trip/resample", json!("999ms"), "spec.trip: resample: must be 1s or more, or 0s to count new observations only")]
#[case("/spec/open/minimum", json!("999ms"), "spec.open: minimum: must be 1s or more")]
#[case("/spec/open/maximum", json!("59s"), "spec.open: minimum: must not be more than maximum")]
#[case("/spec/halfOpen/settle", json!("5m"), "spec.halfOpen: settle: must be less than timeout, or no step can end")]
#[case("/spec/halfOpen/timeout", json!("8761h"), "spec.halfOpen.timeout: a duration is at most 8760h, a year")]
#[case("/spec/halfOpen/admitPercent", json!([10, 10]), "spec.halfOpen.admitPercent: each step must admit more than the one before")]
#[case("/spec/halfOpen/admitPercent", json!([1, 2, 3, 4, 5, 6, 8, 7]), "spec.halfOpen.admitPercent: each step must admit more than the one before")]
#[case("/spec/flap/within", json!("0s"), "spec.flap: within: must be more than 0s")]
#[case("/spec/mesh/layer", json!("shop.conditions"), "spec.mesh.layer: must not end in .conditions, which is where published conditions go")]
#[case("/spec/alert/annotations", json!({"runbook-url": "x"}), "spec.alert.annotations: a name is a letter or underscore, then letters, digits and underscores, at most 63")]
#[case("/spec/alert/annotations", json!({"": "x"}), "spec.alert.annotations: a name is a letter or underscore, then letters, digits and underscores, at most 63")]
#[case("/spec/selector/matchExpressions", json!([{"key": "a", "operator": "In"}]), "spec.selector.matchExpressions[0]: values: In and NotIn need them, Exists and DoesNotExist have none")]
#[case("/spec/selector/matchExpressions", json!([{"key": "a", "operator": "Exists", "values": ["x"]}]), "spec.selector.matchExpressions[0]: values: In and NotIn need them, Exists and DoesNotExist have none")]
fn a_policy_that_breaks_a_rule_is_refused_by_both(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] problem: &str,
) {
    both_object::<CircuitPolicy>(&with(POLICY, pointer, value), problem);
}

#[rstest]
#[case("/spec/conditions/0", json!({"key": "k", "type": "Enum"}), "spec.conditions[0]: values: an Enum needs them, and no other type has them")]
#[case("/spec/conditions/1", json!({"key": "k", "type": "String", "values": ["a"]}), "spec.conditions[1]: values: an Enum needs them, and no other type has them")]
#[case("/spec/conditions/0", json!({"key": "k", "type": "Boolean", "minimum": 1}), "spec.conditions[0]: minimum, maximum: only Number, Integer, Duration, Quantity and Percent have bounds")]
#[case("/spec/conditions/0/staleAfter", json!("9999h"), "spec.conditions[0].staleAfter: a duration is at most 8760h, a year")]
#[case("/spec/limits/maxKeyLength", json!(14), "spec: conditions: each key must fit in limits.maxKeyLength; shorten the key or raise the limit")]
#[case("/spec/rollback/changedWithin", json!("8760h1ms"), "spec.rollback.changedWithin: a duration is at most 8760h, a year")]
#[case("/spec/conditions/0", json!({"key": "k", "type": "Number", "from": {}}), "spec.conditions[0].from: exactly one of path, cel and prometheus must be set")]
#[case("/spec/conditions/0", json!({"key": "k", "type": "Number", "from": {"cel": "1", "prometheus": query(&json!({}))}}), "spec.conditions[0].from: exactly one of path, cel and prometheus must be set")]
#[case("/spec/conditions/0", queried(&json!({"type": "String"}), &json!({})), "spec.conditions[0]: type: a value from prometheus is a number; declare it Number, Integer, Duration, Quantity, Percent or Boolean")]
#[case("/spec/conditions/0", queried(&json!({"type": "Age"}), &json!({})), "spec.conditions[0]: type: a value from prometheus is a number; declare it Number, Integer, Duration, Quantity, Percent or Boolean")]
#[case("/spec/conditions/0", queried(&json!({"staleAfter": "1m"}), &json!({})), "spec.conditions[0]: heartbeat, staleAfter: how old a value from prometheus may be is said by its maxAge; remove them")]
#[case("/spec/conditions/0", queried(&json!({"key": "k.*"}), &json!({})), "spec.conditions[0]: key: ends in .* where from.path has a *, and only there")]
#[case("/spec/conditions/0", queried(&json!({}), &json!({"query": " \t\n"})), "spec.conditions[0].from.prometheus: query: must not be blank")]
#[case("/spec/conditions/0", queried(&json!({}), &json!({"interval": "999ms"})), "spec.conditions[0].from.prometheus: interval: must be 1s or more")]
#[case("/spec/conditions/0", queried(&json!({}), &json!({"interval": "31s"})), "spec.conditions[0].from.prometheus: maxAge: must be at least twice the interval, so that one late answer makes nothing Unknown")]
#[case("/spec/conditions/0", queried(&json!({}), &json!({"maxAge": "8761h"})), "spec.conditions[0].from.prometheus.maxAge: a duration is at most 8760h, a year")]
fn a_contract_that_breaks_a_rule_is_refused_by_both(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] problem: &str,
) {
    both_object::<ConditionContract>(&with(CONTRACT, pointer, value), problem);
}

/// A query with some of its fields changed.
fn query(change: &Value) -> Value {
    let object = json!({"namespace": "namespace", "name": "app"});
    merged(json!({"query": "up", "object": object}), change)
}

/// A condition whose value is the answer to a query, with some of the fields of both changed.
fn queried(condition: &Value, change: &Value) -> Value {
    let from = json!({"prometheus": query(change)});
    merged(
        json!({"key": "k", "type": "Number", "from": from}),
        condition,
    )
}

fn merged(mut base: Value, change: &Value) -> Value {
    let fields = change.as_object().unwrap().clone();
    base.as_object_mut().unwrap().extend(fields);
    base
}

#[rstest]
#[case("Number")]
#[case("Integer")]
#[case("Duration")]
#[case("Quantity")]
#[case("Percent")]
#[case("Boolean")]
fn a_query_gives_numbers_and_booleans(#[case] kind: &str) {
    let change = json!({"interval": "1s", "maxAge": "2s", "object": {"name": "node"}});
    let condition = queried(&json!({"type": kind}), &change);
    let contract = with(CONTRACT, "/spec/conditions/0", condition);
    assert_eq!(strict_problems::<ConditionContract>(contract.clone()), []);
    assert_eq!(cel_problems::<ConditionContract>(contract), []);
}

#[rstest]
#[case(json!({"query": ""}), "query")]
#[case(json!({"object": {"name": "a-b"}}), "object.name")]
#[case(json!({"object": {"name": "a", "namespace": ""}}), "object.namespace")]
#[case(json!({"object": {}}), "object")]
#[case(json!({"query": "x".repeat(2_049)}), "query")]
fn a_query_has_text_and_names_labels(#[case] change: Value, #[case] field: &str) {
    let condition = queried(&json!({}), &change);
    let contract = with(CONTRACT, "/spec/conditions/0", condition);
    let problems = texts(&strict_problems::<ConditionContract>(contract));
    let path = format!("spec.conditions[0].from.prometheus.{field}: ");
    assert!(
        problems.iter().any(|problem| problem.starts_with(&path)),
        "{problems:?}"
    );
}

#[rstest]
#[case("/spec/trip/when/0", json!({"condition": "k", "in": [1, "a"]}))]
#[case("/spec/trip/when/0", json!({"condition": "k", "notEquals": ""}))]
#[case("/spec/trip/when/0", json!({"condition": "example.com/k", "below": "0.5", "clearAbove": "0.5"}))]
#[case("/spec/trip/when/0", json!({"condition": "k", "above": "5Mi", "clearBelow": "9Ki"}))]
#[case("/spec/trip/resample", json!("0s"))]
#[case("/spec/trip/atLeast", json!("10m"))]
#[case("/spec/open/minimum", json!("1000ms"))]
#[case("/spec/open/maximum", json!("1m"))]
#[case("/spec/halfOpen/admitPercent", json!([1, 2, 3, 4, 5, 6, 7, 8]))]
#[case("/spec/halfOpen/admitPercent", json!([99]))]
#[case("/spec/mesh/layer", json!("shop.canary"))]
#[case("/spec/mesh", json!(null))]
#[case("/spec/onTrip", json!([]))]
#[case("/spec/selector", json!({}))]
#[case("/spec/selector/matchExpressions", json!([{"key": "a", "operator": "NotIn", "values": [""]}]))]
#[case("/spec/mesh/shed/0/cluster", json!("outbound|80||{name}.{namespace}.svc.cluster.local"))]
fn a_policy_that_keeps_the_rules_passes_both(#[case] pointer: &str, #[case] value: Value) {
    let policy = with(POLICY, pointer, value);
    assert_eq!(strict_problems::<CircuitPolicy>(policy.clone()), Vec::new());
    assert_eq!(cel_problems::<CircuitPolicy>(policy), Vec::new());
}

#[rstest]
#[case("/spec/trip/when/0", json!({"condition": "k", "above": 1, "clearBelow": 2}), "spec.trip.when[0]: clearBelow: must not be more than above")]
#[case("/spec/trip/when/0", json!({"condition": "k", "above": "1s", "clearBelow": "1001ms"}), "spec.trip.when[0]: clearBelow: must not be more than above")]
#[case("/spec/trip/when/0", json!({"condition": "k", "below": "0.5", "clearAbove": "0.4"}), "spec.trip.when[0]: clearAbove: must not be less than below")]
#[case("/spec/mesh/layer", json!("shopping"), "spec.mesh.layer: is \"shopping\", must be the policy's namespace \"shop\", or begin with \"shop.\"")]
#[case("/spec/mesh/layer", json!("billing.shop"), "spec.mesh.layer: is \"billing.shop\", must be the policy's namespace \"shop\", or begin with \"shop.\"")]
fn what_cel_can_not_say_is_refused_by_us_alone(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] problem: &str,
) {
    let policy = with(POLICY, pointer, value);
    assert_eq!(
        texts(&strict_problems::<CircuitPolicy>(policy.clone())),
        [problem]
    );
    assert_eq!(cel_problems::<CircuitPolicy>(policy), Vec::new());
}

#[rstest]
#[case("/spec/trip/consecutve", json!(3), "spec.trip.consecutve: unknown field; did you mean `consecutive`?")]
#[case("/spec/mode", json!(null), "spec: the required field `mode` is missing; set it to one of \"Enforce\", \"Observe\"")]
#[case("/spec/mode", json!("enforce"), "spec.mode: is \"enforce\", must be one of \"Enforce\", \"Observe\"")]
#[case("/spec/trip/consecutive", json!(0), "spec.trip.consecutive: is 0, must be at least 1")]
#[case("/spec/trip/consecutive", json!("3"), "spec.trip.consecutive: must be of type integer, is \"3\"; write it without quotes")]
#[case("/spec/trip/when/0/above", json!(0.05), "spec.trip.when[0].above: must be of type integer or string, is the number 0.05; write it in quotes: \"0.05\"")]
#[case("/spec/trip/when", json!([]), "spec.trip.when: has 0 items, must have at least 1")]
#[case("/spec/trip/within", json!("10 minutes"), "spec.trip.within: is \"10 minutes\", must match the pattern ^([0-9]+(ms|s|m|h))+$")]
#[case("/spec/halfOpen/admitPercent/1", json!(100), "spec.halfOpen.admitPercent[1]: is 100, must be at most 99")]
#[case("/spec/onTrip", json!(["Alert", "Alert"]), "spec.onTrip[1]: repeats item [0], \"Alert\"; remove one")]
#[case("/spec/mesh/shed/1", json!({"cluster": "shop-{name}", "percent": 5}), "spec.mesh.shed[1]: repeats item [0], cluster \"shop-{name}\"; remove one")]
#[case("/spec/mesh/shed/0/cluster", json!("shop-{nmae}"), "spec.mesh.shed[0].cluster: is \"shop-{nmae}\", must match the pattern ^([A-Za-z0-9_.:/|~-]|\\{namespace\\}|\\{name\\})+$")]
#[case("/kind", json!("CircuitPolice"), "kind: must be \"CircuitPolicy\"")]
#[case("/apiVersion", json!("fusegate.io/v1"), "apiVersion: must be \"fusegate.io/v1alpha1\"")]
#[case("/metadata/name", json!(null), "metadata: the required field `name` is missing; set it")]
#[case("/metadata/name", json!("../etc"), "metadata.name: is \"../etc\", must be lowercase letters, digits and inner hyphens, and dots between them, at most 253 characters")]
#[case("/metadata/namespace", json!("a.b"), "metadata.namespace: is \"a.b\", must be lowercase letters, digits and inner hyphens, at most 63 characters")]
#[case("/metadata/lables", json!({}), "metadata.lables: unknown field; did you mean `labels`?")]
#[case("/sepc", json!({}), "sepc: unknown field; did you mean `spec`?")]
fn a_strict_reading_names_field_limit_and_remedy(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] problem: &str,
) {
    assert_eq!(
        texts(&strict_problems::<CircuitPolicy>(with(
            POLICY, pointer, value
        ))),
        [problem]
    );
}

#[rstest]
#[case("/spec/target/group", json!(""))]
#[case("/spec/target/version", json!("v1beta1"))]
#[case("/spec/conditions/0/from", json!({"path": ".spec.replicas"}))]
#[case("/spec/conditions/0/from", json!({"path": ".metadata.deletionTimestamp"}))]
fn a_contract_may_name_any_group_version_and_field(#[case] pointer: &str, #[case] value: Value) {
    let contract = with(CONTRACT, pointer, value);
    let problems = strict_problems::<ConditionContract>(contract);
    assert_eq!(texts(&problems), [""; 0]);
}

#[rstest]
#[case("/spec/path", json!(".statuses"), "spec.path: is \".statuses\", must match the pattern")]
#[case("/spec/path", json!(".spec.conditions"), "spec.path: is \".spec.conditions\", must match the pattern")]
#[case("/spec/conditions/0/from", json!({"path": ".status"}), "spec.conditions[0].from.path: is \".status\", must match the pattern")]
#[case("/spec/conditions/0/from", json!({"path": "spec.replicas"}), "spec.conditions[0].from.path: is \"spec.replicas\", must match the pattern")]
#[case("/spec/target/group", json!("Shop"), "spec.target.group: is \"Shop\", must match the pattern")]
#[case("/spec/target/version", json!("v1/x"), "spec.target.version: is \"v1/x\", must match the pattern")]
#[case("/spec/admission/mode", json!(false), "spec.admission.mode: must be of type string, is the boolean false; write it in quotes, since YAML reads On, Off")]
#[case("/spec/limits/maxEntries", json!(65), "spec.limits.maxEntries: is 65, must be at most 64")]
#[case("/spec/conditions/1", json!({"key": "network-latency", "type": "Number"}), "spec.conditions[1]: repeats item [0], key \"network-latency\"; remove one")]
#[case("/spec/conditions/0/key", json!("-latency"), "spec.conditions[0].key: is \"-latency\", must match the pattern")]
#[case("/spec/mesh/clusters/0", json!("*-shop"), "spec.mesh.clusters[0]: is \"*-shop\", must match the pattern")]
#[case("/spec/rollback", json!({}), "spec.rollback: the required field `mode` is missing; set it to one of \"Off\", \"Propose\", \"Auto\"")]
fn a_contract_is_read_as_strictly(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] problem: &str,
) {
    let problems = texts(&strict_problems::<ConditionContract>(with(
        CONTRACT, pointer, value,
    )));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(problem), "{problems:?}");
}

#[rstest]
#[case("/spec/until", json!("tomorrow"), "spec.until")]
#[case("/spec/until", json!("2026-11-22T14:05:28"), "spec.until")]
#[case("/spec/until", json!("2026-13-22T14:05:28Z"), "spec.until")]
#[case("/spec/reason", json!(""), "spec.reason")]
#[case("/spec/reason", json!("x".repeat(1025)), "spec.reason")]
#[case("/spec/state", json!("Open"), "spec.state")]
#[case("/spec/object", json!("Front"), "spec.object")]
fn an_override_needs_an_end_a_reason_and_a_state(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] path: &str,
) {
    let problems = strict_problems::<CircuitOverride>(with(OVERRIDE, pointer, value));
    assert!(!problems.is_empty());
    assert!(
        problems.iter().all(|problem| problem.path == path),
        "{problems:?}"
    );
}

#[test]
fn all_the_problems_of_an_object_are_named_at_once() {
    let mut policy = with(POLICY, "/spec/mode", json!("On"));
    policy["spec"]["trip"]["wihtin"] = json!("1s");
    policy["spec"]["open"]["minimum"] = json!(60);
    let problems = strict_problems::<CircuitPolicy>(policy);
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(
        paths,
        ["spec.mode", "spec.open.minimum", "spec.trip.wihtin"]
    );
}

#[test]
fn a_hostile_object_gets_a_short_answer() {
    let mut policy = with(POLICY, "/spec/mode", json!("x".repeat(1_000_000)));
    for index in 0..10_000 {
        policy["spec"][format!("{index}").repeat(200)] = json!(1);
    }
    let problems = strict_problems::<CircuitPolicy>(policy);
    assert_eq!(problems.len(), 101);
    let bytes: usize = texts(&problems).iter().map(String::len).sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
}

#[test]
fn a_value_that_is_no_object_is_refused() {
    for value in [json!(null), json!([]), json!("policy"), json!({})] {
        assert!(!strict_problems::<CircuitPolicy>(value).is_empty());
    }
}

/// Every place in a value, as JSON pointers.
fn pointers(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(&format!("{at}/{name}"), field, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(&format!("{at}/{index}"), item, found);
            }
        }
        _ => {}
    }
}

/// One value of the object after the other becomes something else: nothing panics, what is accepted can be read
/// and satisfies CEL, and what is refused is refused where the change is, above it or below it.
#[allow(clippy::too_many_lines, reason = "most of it is one table")]
fn every_change_gets_an_answer_at_its_place<T: Kind + serde::Serialize>(base: &str) {
    let object: Value = serde_saphyr::from_str(base).unwrap();
    let mut places = Vec::new();
    pointers("", &object, &mut places);
    let mut refused = 0;
    for place in &places[1..] {
        let others = [
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(-1),
            json!(7),
            json!(0.5),
            json!(1e300),
            json!(i64::MAX),
            json!(""),
            json!("x"),
            json!("0s"),
            json!("2000h"),
            json!("99999999999999999999h"),
            json!("\u{0}"),
            json!("9".repeat(5_000)),
            json!([]),
            json!({}),
            json!([1]),
            json!(["x", "x"]),
            json!({"x": "y"}),
        ];
        for other in others {
            let mut changed = object.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            let Err(problems) = strict::<T>(changed.clone()) else {
                assert!(
                    cel_problems::<T>(changed.clone()).is_empty(),
                    "{place}: {other}"
                );
                assert!(
                    serde_json::from_value::<T>(without_nulls(changed)).is_ok(),
                    "{place}: {other}"
                );
                continue;
            };
            refused += 1;
            let path = place
                .replace('/', ".")
                .replace(".0", "[0]")
                .replace(".1", "[1]")
                .replace(".2", "[2]");
            let path = path.trim_start_matches('.');
            // The layer has to fit the namespace, so a change of one is a problem of the other.
            let elsewhere = |problem: &Problem| {
                place == "/metadata/namespace" && problem.path == "spec.mesh.layer"
            };
            for problem in problems.into_iter().filter(|problem| !elsewhere(problem)) {
                let at = problem.path.as_str();
                assert!(
                    path.starts_with(at) || at.starts_with(path),
                    "{place}: {other}: {problem}"
                );
                assert!(problem.message.len() < 600, "{problem}");
            }
        }
    }
    assert!(refused > 100, "only {refused} changes were refused");
}

/// The API server removes a null before anyone reads the object.
fn without_nulls(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            for field in fields.values_mut() {
                *field = without_nulls(field.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_nulls(item.take());
            }
        }
        _ => {}
    }
    value
}

#[test]
fn every_change_of_a_contract_gets_an_answer_at_its_place() {
    every_change_gets_an_answer_at_its_place::<ConditionContract>(CONTRACT);
}

#[test]
fn every_change_of_a_policy_gets_an_answer_at_its_place() {
    every_change_gets_an_answer_at_its_place::<CircuitPolicy>(POLICY);
}

#[test]
fn every_change_of_an_override_gets_an_answer_at_its_place() {
    every_change_gets_an_answer_at_its_place::<CircuitOverride>(OVERRIDE);
}
