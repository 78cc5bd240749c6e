//! Kinds of every sort: cluster-scoped ones, ones without a CRD, and conditions that stand outside of the status.

use std::sync::Arc;

use fusegate_crds::Condition;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::world::{World, meta, yaml};
use crate::wire::audit::Action;
use crate::wire::effect::{Effect, KubeEvent};
use crate::wire::event::{
    ApiResource, Change, Crd, Document, Event, Feed, GroupKind, Object, SeenBy,
};
use crate::wire::view::CircuitView;

const OWN: &str = "fusegate-system";

/// A policy that trips on the first Bad sample.
const POLICY: &str = r#"
contract: storefronts.shop.example.com
selector: {}
mode: Enforce
trip: {when: [{condition: Healthy, equals: "False"}], consecutive: 1}
mesh: {shed: [{cluster: "{namespace}-{name}", percent: 100}]}
"#;

fn contract(group: &str, kind: &str, conditions: &str) -> String {
    format!(
        "target: {{group: \"{group}\", kind: {kind}}}\nconditions: [{conditions}]\n\
         mesh: {{clusters: [\"{{namespace}}-*\"]}}\nrollback: {{mode: Auto}}\n"
    )
}

const HEALTHY: &str = "{key: Healthy, type: Boolean}";

/// A world with a contract, and a policy `checkout` in each of two namespaces; nothing is listed.
fn world(contract: &str) -> World {
    let mut world = World::empty();
    world.contract(contract);
    for namespace in [OWN, "shop"] {
        let uid = format!("{namespace}-uid");
        world.send(Event::Policy(Change::Applied(Document {
            meta: meta(namespace, "checkout", &uid, 1),
            spec: Ok(Arc::new(yaml(POLICY))),
            status: None,
        })));
    }
    world
}

fn listed(world: &mut World, kind: &GroupKind) {
    world.list();
    let feed = Feed::Objects(kind.clone());
    world.send(Event::Listed(feed.clone()));
    world.send(Event::Confirmed(feed));
}

/// A cluster-scoped kind with a CRD, watched.
fn fleet() -> (World, GroupKind) {
    let kind = GroupKind::new("infra.example.org", "FleetNode");
    let mut world = world(&contract(&kind.group, &kind.kind, HEALTHY));
    world.send(Event::Crd(Change::Applied(Crd {
        meta: meta("", "fleetnodes.infra.example.org", "crd-uid", 1),
        target: kind.clone(),
        namespaced: false,
        established: true,
        stored_versions: vec!["v1".to_owned()],
        spec: Arc::new(json!({"versions": [{"name": "v1", "served": true, "storage": true}]})),
        managers: Vec::new(),
    })));
    listed(&mut world, &kind);
    (world, kind)
}

fn resource(kind: &GroupKind, namespaced: bool) -> ApiResource {
    ApiResource {
        target: kind.clone(),
        version: "v1".into(),
        plural: format!("{}s", kind.kind.to_lowercase()).into(),
        namespaced,
    }
}

#[test]
fn a_kind_without_a_crd_gets_a_policy_at_the_api_server_too() {
    let kind = GroupKind::new("apps", "Deployment");
    let mut spec = contract(&kind.group, &kind.kind, HEALTHY);
    spec.push_str("admission: {mode: Deny, by: Policy}\n");
    let mut world = world(&spec);
    world.send(Event::ApiResource(Change::Applied(resource(&kind, true))));
    listed(&mut world, &kind);
    let policy = world.effects.iter().find_map(|effect| match effect {
        Effect::Admission(order) => order.policy.clone(),
        _ => None,
    });
    let rules = &policy.unwrap().objects[1]["spec"]["matchResources"]["resourceRules"];
    assert_eq!(rules[0]["resources"][1], "deployments/status");
    assert_eq!(rules[0]["apiVersions"][0], "v1");
}

/// A kind without a CRD, watched.
fn builtin(kind: &GroupKind, namespaced: bool, conditions: &str) -> World {
    let mut world = world(&contract(&kind.group, &kind.kind, conditions));
    let resource = resource(kind, namespaced);
    world.send(Event::ApiResource(Change::Applied(resource)));
    listed(&mut world, kind);
    world
}

fn object(world: &mut World, kind: &GroupKind, namespace: &str, name: &str, object: &Value) {
    let raw = |field: &Value| {
        (!field.is_null()).then(|| RawValue::from_string(field.to_string()).unwrap())
    };
    let mut meta = meta(namespace, name, &format!("{name}-uid"), 1);
    meta.resource_version = world.effects.len().to_string().into();
    let object = Object {
        meta,
        status: raw(&object["status"]),
        rest: raw(&object["rest"]),
        seen_by: SeenBy::Watch,
    };
    world.send(Event::Object(kind.clone(), Change::Applied(object)));
}

fn sick() -> Value {
    json!({"status": {"conditions": [{"type": "Healthy", "status": "False"}]}})
}

fn circuit(world: &World, namespace: &str, name: &str) -> Option<Arc<CircuitView>> {
    let key = (namespace.into(), "checkout".into());
    let policy = world.engine.out.view.policies.get(&key)?;
    policy.circuits.get(name).cloned()
}

fn state(world: &World, namespace: &str, name: &str) -> &'static str {
    circuit(world, namespace, name).map_or("none", |circuit| circuit.state.name())
}

/// Status, reason and message of a condition in the last status of the contract, or of the policy of a namespace.
fn said(world: &World, namespace: &str, type_: &str) -> Option<(String, String, String)> {
    let conditions = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::PolicyStatus(write) if *write.target.namespace == *namespace => {
            Some(write.status.conditions.clone())
        }
        Effect::ContractStatus(write) if namespace.is_empty() => {
            Some(write.status.conditions.clone())
        }
        _ => None,
    });
    let mut conditions = conditions?.into_iter();
    let Condition {
        status,
        reason,
        message,
        ..
    } = conditions.find(|condition| condition.type_ == type_)?;
    Some((status, reason, message))
}

fn event(world: &World) -> KubeEvent {
    let mut events = world.effects.iter().filter_map(|effect| match effect {
        Effect::KubeEvent(event) => Some(event.clone()),
        _ => None,
    });
    events.next().unwrap()
}

#[test]
fn cluster_scoped_kinds_are_judged_by_policies_of_our_namespace() {
    let (mut world, kind) = fleet();
    object(&mut world, &kind, "", "rack-7", &sick());

    assert_eq!(state(&world, OWN, "rack-7"), "Open");
    assert_eq!(state(&world, "shop", "rack-7"), "none");
    let (status, reason, message) = said(&world, "shop", "Accepted").unwrap();
    assert_eq!((&*status, &*reason), ("False", "ClusterScoped"));
    assert!(
        message.ends_with("create this policy in namespace fusegate-system"),
        "{message}"
    );
    let (status, ..) = said(&world, OWN, "Accepted").unwrap();
    assert_eq!(status, "True");
}

#[test]
fn what_is_said_of_a_cluster_scoped_object_names_no_namespace_of_it() {
    let (mut world, kind) = fleet();
    object(&mut world, &kind, "", "rack-7", &sick());

    for action in [Action::Map, Action::State] {
        let line = world.lines(action).pop().unwrap();
        assert_eq!(&*line.resource, "FleetNode.infra.example.org/rack-7");
    }
    let regarding = event(&world).regarding;
    assert_eq!(&*regarding.target.namespace, "");
    assert_eq!(&*regarding.api_version, "infra.example.org/v1");
    let alert = world.alerts().pop().unwrap();
    assert_eq!(alert.labels.get("namespace").map(|text| &**text), Some(OWN));
    let shed = "upstream.maintenance_mode.fusegate-system-rack-7";
    assert!(world.keys(OWN).contains_key(shed));
    assert!(world.keys("shop").is_empty());
}

#[test]
fn a_cluster_scoped_object_that_goes_takes_its_circuit_along() {
    let (mut world, kind) = fleet();
    object(&mut world, &kind, "", "rack-7", &sick());
    let gone = Object {
        meta: meta("", "rack-7", "rack-7-uid", 1),
        status: None,
        rest: None,
        seen_by: SeenBy::Watch,
    };
    world.send(Event::Object(kind, Change::Deleted(gone)));
    assert_eq!(state(&world, OWN, "rack-7"), "none");
    assert!(world.keys(OWN).is_empty());
    assert!(world.alerts().pop().unwrap().ends_at.is_some());
}

#[test]
fn a_kind_without_a_crd_is_judged_and_nothing_rolls_back() {
    let kind = GroupKind::new("apps", "Deployment");
    let mut world = builtin(&kind, true, HEALTHY);
    object(&mut world, &kind, "shop", "web", &sick());

    assert_eq!(state(&world, "shop", "web"), "Open");
    assert_eq!(state(&world, OWN, "web"), "none");
    let (status, _, message) = said(&world, "", "Accepted").unwrap();
    assert_eq!(status, "True");
    assert!(
        message.contains("in version v1; it has no CRD, so there is no schema to roll back"),
        "{message}"
    );
    let (status, reason, _) = said(&world, "", "RollbackBlocked").unwrap();
    assert_eq!((&*status, &*reason), ("True", "NoSchema"));
    let alert = world.alerts().pop().unwrap();
    let rollback = &alert.annotations["rollback"];
    assert!(rollback.contains("the kind has no CRD"), "{rollback}");
    assert_eq!(&*event(&world).regarding.api_version, "apps/v1");
}

#[test]
fn kinds_of_the_core_group_are_named_without_a_group() {
    let kind = GroupKind::new("", "Node");
    let mut world = builtin(&kind, false, HEALTHY);
    object(&mut world, &kind, "", "n1", &sick());

    assert_eq!(state(&world, OWN, "n1"), "Open");
    let line = world.lines(Action::State).pop().unwrap();
    assert_eq!(&*line.resource, "Node/n1");
    assert_eq!(&*event(&world).regarding.api_version, "v1");
}

#[test]
fn a_kind_that_is_served_no_more_keeps_what_was_published_and_says_so() {
    let kind = GroupKind::new("apps", "Deployment");
    let mut world = builtin(&kind, true, HEALTHY);
    object(&mut world, &kind, "shop", "web", &sick());

    let gone = resource(&kind, true);
    world.send(Event::ApiResource(Change::Deleted(gone.clone())));
    assert_eq!(state(&world, "shop", "web"), "Open");
    let (status, reason, message) = said(&world, "shop", "Accepted").unwrap();
    assert_eq!((&*status, &*reason), ("False", "KindNotServed"));
    assert!(
        message.starts_with("Deployment.apps is not served; install its CRD, or enable the API"),
        "{message}"
    );
    assert!(
        message.ends_with("what was published before stays"),
        "{message}"
    );

    world.send(Event::ApiResource(Change::Applied(gone)));
    let (status, ..) = said(&world, "shop", "Accepted").unwrap();
    assert_eq!(status, "True");
}

#[test]
fn a_kind_that_is_refused_by_rights_says_why() {
    let kind = GroupKind::new("", "Pod");
    let mut world = world(&contract("", "Pod", HEALTHY));
    let resource = resource(&kind, true);
    world.send(Event::ApiResource(Change::Applied(resource)));
    world.list();
    let feed = Feed::Objects(kind);
    world.send(Event::Interrupted(
        feed,
        "fusegate may not read pods (403)".into(),
    ));

    let (status, reason, message) = said(&world, "", "Accepted").unwrap();
    assert_eq!((&*status, &*reason), ("False", "KindNotWatched"));
    assert_eq!(
        message,
        "Pod can't be watched: fusegate may not read pods (403)"
    );
}

#[test]
fn conditions_may_be_made_of_spec_and_metadata() {
    let kind = GroupKind::new("apps", "Deployment");
    let conditions = r#"{key: Healthy, type: Boolean, from: {cel: "object.metadata.generation == object.status.observedGeneration"}},
        {key: missing, type: Integer, from: {cel: "object.spec.replicas - object.status.readyReplicas"}}"#;
    let mut world = builtin(&kind, true, conditions);
    let report = |world: &mut World, generation: i64| {
        let rest = json!({"metadata": {"generation": generation}, "spec": {"replicas": 3}});
        let status = json!({"observedGeneration": 4, "readyReplicas": 1});
        object(
            world,
            &kind,
            "shop",
            "web",
            &json!({"status": status, "rest": rest}),
        );
    };

    report(&mut world, 4);
    assert_eq!(state(&world, "shop", "web"), "Closed");
    report(&mut world, 5);
    assert_eq!(state(&world, "shop", "web"), "Open");
    let line = world.lines(Action::Map).pop().unwrap();
    assert_eq!(line.keys_after, Some(2), "{line:?}");
}
