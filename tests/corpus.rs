//! The corpus: conditions of well-known kinds, healthy and sick, and the contracts that are shipped for them.
//!
//! Each folder of `tests/corpus` belongs to the file of the same name in `deploy/contracts`, which holds a contract and the policy that is suggested with it.
//! A file that begins with `# Recorded` is what a real controller reported (`make record-corpus`); the others are written from what the project documents.
//! No healthy object is illegal or trips, every sick one trips, and each recovers once it is healthy again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fusegate::breaker::circuit::StateName;
use fusegate::breaker::time::{Mono, Now, Wall};
use fusegate::condition::contract::Contract;
use fusegate::condition::outside::Outside;
use fusegate::engine::output::Output;
use fusegate::engine::settings::Capacity;
use fusegate::engine::{Engine, Settings};
use fusegate::wire::audit::{Action, Verdict};
use fusegate::wire::effect::Effect;
use fusegate::wire::event::{
    ApiResource, Change, Crd, Document, Event, Feed, GroupKind, Meta, Object, SeenBy,
};
use fusegate::wire::view::View;
use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// 2026-11-20T13:00:00Z, an hour or so after what the corpus was written of.
const NOON: i64 = 1_795_179_600_000;

/// How often a healthy watch confirms itself.
const CONFIRMED: u64 = 5_000;

/// Where the policies of cluster-scoped kinds stand.
const OWN_NAMESPACE: &str = "fusegate-system";

const CONTRACTS: &str = "deploy/contracts";
const CORPUS: &str = "tests/corpus";

/// A kind of the corpus: what is shipped for it, and its objects by the names of their files.
struct Kind {
    name: String,
    contract: Arc<ConditionContractSpec>,
    policy: Arc<CircuitPolicySpec>,
    /// The policy's.
    namespace: String,
    healthy: BTreeMap<String, Value>,
    /// Neither healthy again nor sick: what must not trip, and recovers nothing.
    busy: BTreeMap<String, Value>,
    sick: BTreeMap<String, Value>,
}

impl Kind {
    fn read(name: &str) -> Self {
        let file = Path::new(CONTRACTS).join(format!("{name}.yaml"));
        let mut documents: Vec<Value> = documents(&file);
        let mut policies = documents.iter();
        let policy = policies.find(|each| each["kind"] == "CircuitPolicy");
        let namespace = policy.and_then(|each| each["metadata"]["namespace"].as_str());
        let namespace = namespace.unwrap_or_default().to_owned();
        let mut spec = |kind: &str| {
            let found = documents.iter().position(|each| each["kind"] == kind);
            let found = found.unwrap_or_else(|| panic!("{}: no {kind}", file.display()));
            documents[found]["spec"].take()
        };
        let objects = |state: &str| {
            let files = files(&Path::new(CORPUS).join(name)).into_iter();
            let files = files.filter(|file| file_name(file).starts_with(state));
            files
                .map(|file| (file_name(&file), documents_of(&file)))
                .collect::<BTreeMap<String, Value>>()
        };
        Self {
            name: name.to_owned(),
            namespace,
            contract: serde_json::from_value(spec("ConditionContract")).unwrap(),
            policy: serde_json::from_value(spec("CircuitPolicy")).unwrap(),
            healthy: objects("healthy"),
            busy: objects("busy"),
            sick: objects("sick"),
        }
    }

    /// Whether its objects name a namespace.
    fn is_namespaced(&self) -> bool {
        let mut objects = self.healthy.values().chain(self.sick.values());
        objects.all(|object| object["metadata"]["namespace"].is_string())
    }

    fn group_kind(&self) -> GroupKind {
        let target = &self.contract.target;
        GroupKind::new(target.group.as_str(), target.kind.as_str())
    }
}

fn documents(file: &Path) -> Vec<Value> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn documents_of(file: &Path) -> Value {
    let mut documents = documents(file);
    assert_eq!(documents.len(), 1, "{}", file.display());
    documents.remove(0)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn file_name(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

fn kinds() -> Vec<Kind> {
    let names = files(Path::new(CORPUS)).into_iter();
    names
        .map(|folder| Kind::read(&file_name_of(&folder)))
        .collect()
}

/// A folder's whole name, which has dots.
fn file_name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// An engine that judges one object of a kind.
struct Bench {
    engine: Engine,
    kind: GroupKind,
    /// The policy's.
    namespace: String,
    contract: Contract,
    now: Now,
    version: u64,
    view: View,
    illegal: Vec<String>,
}

impl Bench {
    fn new(kind: &Kind) -> Self {
        let settings = Settings {
            cluster: "corpus".into(),
            link: "http://fusegate".into(),
            namespace: OWN_NAMESPACE.into(),
            capacity: Capacity::default(),
            shard: None,
        };
        let mut bench = Self {
            engine: Engine::new(settings),
            kind: kind.group_kind(),
            namespace: kind.namespace.clone(),
            contract: Contract::try_new(&kind.name, &kind.contract)
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", kind.name)),
            now: Now {
                mono: Mono(2_592_000_000),
                wall: Wall(NOON),
            },
            version: 0,
            view: View::default(),
            illegal: Vec::new(),
        };
        bench.open(kind);
        bench
    }

    fn open(&mut self, kind: &Kind) {
        self.send(Event::Leading(true));
        self.send(Event::Contract(Change::Applied(Document {
            meta: meta("", &kind.name),
            spec: Ok(Arc::clone(&kind.contract)),
            status: None,
        })));
        self.send(self.served(kind));
        self.send(Event::Policy(Change::Applied(Document {
            meta: meta(&kind.namespace, "suggested"),
            spec: Ok(Arc::clone(&kind.policy)),
            status: None,
        })));
        for feed in [
            Feed::Contracts,
            Feed::Policies,
            Feed::Overrides,
            Feed::Crds,
            Feed::Revisions,
        ] {
            self.send(Event::Listed(feed));
        }
        self.send(Event::Listed(Feed::Objects(self.kind.clone())));
    }

    /// How the kind is served: without a CRD where it is Kubernetes' own.
    fn served(&self, kind: &Kind) -> Event {
        let (target, namespaced) = (self.kind.clone(), kind.is_namespaced());
        if !target.group.contains('.') {
            return Event::ApiResource(Change::Applied(ApiResource {
                target,
                version: "v1".into(),
                plural: "".into(),
                namespaced,
            }));
        }
        Event::Crd(Change::Applied(Crd {
            meta: meta("", &kind.name),
            target,
            namespaced,
            established: true,
            stored_versions: vec!["v1".to_owned()],
            spec: Arc::new(json!({"versions": [{"name": "v1", "served": true, "storage": true}]})),
            managers: Vec::new(),
        }))
    }

    fn send(&mut self, event: Event) {
        self.engine.handle(self.now, event);
        self.flush();
    }

    fn flush(&mut self) {
        let Output { effects, view, .. } = self.engine.flush(self.now);
        if let Some(view) = view {
            self.view = view;
        }
        for effect in effects {
            if let Effect::Audit(line) = effect
                && line.action == Action::Map
                && line.verdict == Verdict::Rejected
            {
                self.illegal.push(line.reason.to_string());
            }
        }
    }

    /// The object becomes this.
    fn write(&mut self, object: &Value) {
        self.version += 1;
        let text = object.to_string();
        let rest = Outside::of(&self.contract).and_then(|outside| outside.cut(&text));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let raw = |value: Option<String>| value.map(|text| RawValue::from_string(text).unwrap());
        let object = Object {
            meta: Meta {
                resource_version: self.version.to_string().into(),
                ..meta(namespace, "example")
            },
            status: raw(object.get("status").map(Value::to_string)),
            rest: raw(rest),
            seen_by: SeenBy::Watch,
        };
        self.send(Event::Object(self.kind.clone(), Change::Applied(object)));
    }

    /// Lets the time pass with a watch that confirms itself, until the state is this; answers whether it came to be.
    fn wait(&mut self, state: StateName, minutes: u64) -> bool {
        for _ in 0..minutes * 60_000 / CONFIRMED {
            if self.state() == Some(state) {
                return true;
            }
            self.now.mono.0 += CONFIRMED;
            self.now.wall.0 += CONFIRMED.cast_signed();
            self.send(Event::Confirmed(Feed::Objects(self.kind.clone())));
            self.engine.tick(self.now);
            self.flush();
        }
        self.state() == Some(state)
    }

    fn state(&self) -> Option<StateName> {
        let policy = self
            .view
            .policies
            .get(&(self.namespace.as_str().into(), "suggested".into()))?;
        assert!(policy.rejected.is_none(), "{:?}", policy.rejected);
        Some(policy.circuits.get("example")?.state)
    }
}

fn meta(namespace: &str, name: &str) -> Meta {
    Meta {
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid-of-{name}").into(),
        resource_version: "1".into(),
        generation: 1,
        ..Meta::default()
    }
}

#[test]
fn every_contract_that_is_shipped_is_held_to_a_corpus() {
    let shipped: Vec<String> = files(Path::new(CONTRACTS))
        .iter()
        .map(|file| file_name(file))
        .collect();
    let held: Vec<String> = files(Path::new(CORPUS))
        .iter()
        .map(|folder| file_name_of(folder))
        .collect();
    assert_eq!(shipped, held);
    assert!(shipped.len() >= 20, "{}", shipped.len());
    for kind in kinds() {
        assert!(
            !kind.healthy.is_empty() && !kind.sick.is_empty(),
            "{}",
            kind.name
        );
    }
}

#[test]
fn ten_kinds_are_recorded_from_their_controllers() {
    let is_recorded = |file: &PathBuf| fs::read_to_string(file).unwrap().starts_with("# Recorded");
    let folders = files(Path::new(CORPUS)).into_iter();
    let recorded = folders.filter(|folder| files(folder).iter().any(is_recorded));
    let recorded: Vec<String> = recorded.map(|folder| file_name_of(&folder)).collect();
    assert!(recorded.len() >= 10, "{recorded:?}");
}

#[test]
fn no_healthy_object_is_illegal_or_trips() {
    for kind in kinds() {
        for (name, object) in kind.healthy.iter().chain(&kind.busy) {
            let mut bench = Bench::new(&kind);
            bench.write(object);
            let tripped = bench.wait(StateName::Open, 30);
            assert!(!tripped, "{}: {name} tripped", kind.name);
            assert_eq!(bench.illegal, [""; 0], "{}: {name}", kind.name);
        }
    }
}

#[test]
fn every_sick_object_trips_and_recovers_when_it_is_healthy() {
    for kind in kinds() {
        for (sick, object) in &kind.sick {
            for (healthy, well) in &kind.healthy {
                let mut bench = Bench::new(&kind);
                bench.write(object);
                assert!(
                    bench.wait(StateName::Open, 10),
                    "{}: {sick} trips not",
                    kind.name
                );
                assert!(
                    !bench.wait(StateName::Closed, 30),
                    "{}: {sick} closes",
                    kind.name
                );
                bench.write(well);
                let closed = bench.wait(StateName::Closed, 60);
                assert!(closed, "{}: {healthy} after {sick} closes not", kind.name);
                assert_eq!(bench.illegal, [""; 0], "{}: {sick}", kind.name);
            }
        }
    }
}
