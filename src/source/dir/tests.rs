//! The directory source on a real directory: what happens to files comes out as events.

mod kinds;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::*;
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::StoredRevision;
use crate::wire::event::{Change, Event, Feed, GroupKind, Object, Revision};

const LIMITS: queue::Limits = queue::Limits {
    events: 4,
    bytes: 1 << 20,
};

const SEPARATOR: &str = "---\n";

const SOON: Duration = Duration::from_mins(1);

const CONTRACT: &str = "
apiVersion: fusegate.io/v1alpha1
kind: ConditionContract
metadata: {name: storefronts.shop.example.com}
spec:
  target: {group: shop.example.com, kind: Storefront}
  conditions: [{key: network-latency, type: Duration}]
  rollback: {mode: Off}
";

const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: storefronts.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {kind: Storefront, plural: storefronts}
  versions: [{name: v1, served: true, storage: true}]
";

fn policy(contract: &str) -> String {
    format!(
        "
apiVersion: fusegate.io/v1alpha1
kind: CircuitPolicy
metadata: {{name: checkout, namespace: shop}}
spec:
  {contract}: storefronts.shop.example.com
  selector: {{}}
  mode: Observe
  trip: {{when: [{{condition: network-latency, above: 250ms}}]}}
"
    )
}

fn storefront(name: &str, latency: &str) -> String {
    format!(
        "apiVersion: shop.example.com/v1\nkind: Storefront\nmetadata: {{name: {name}, namespace: shop, annotations: {{fusegate.io/a: kept, other: dropped}}}}\nstatus: {{conditions: {{network-latency: {latency}}}}}\n"
    )
}

fn kind() -> GroupKind {
    GroupKind::new("shop.example.com", "Storefront")
}

fn objects() -> Feed {
    Feed::Objects(kind())
}

/// A folder with the watched directory in it, so that the directory itself can be moved.
struct Shop {
    folder: TempDir,
}

struct Running {
    events: queue::Receiver,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Stopped>>,
}

impl Shop {
    /// A directory with a contract and one object.
    fn new() -> Self {
        let shop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(shop.root()).unwrap();
        shop.write("contract.yaml", CONTRACT);
        shop.write("checkout.yaml", &storefront("checkout", "120ms"));
        shop
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("watched")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Renames into place, as one should.
    fn write(&self, name: &str, text: &str) {
        write_atomic(&self.path(name), text.as_bytes()).unwrap();
    }

    /// Writes as a plain editor does.
    fn overwrite(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn start(&self) -> Running {
        let (sender, events) = queue::open(LIMITS, Metrics::new());
        let shutdown = CancellationToken::new();
        let source = DirSource::open(self.root(), None).unwrap();
        let task = tokio::spawn(source.run(sender, shutdown.clone()));
        Running {
            events,
            shutdown,
            task,
        }
    }

    /// Runs until the objects are confirmed; returns what came before.
    async fn started(&self) -> (Running, Vec<Event>) {
        let mut running = self.start();
        let before = running.until_confirmed(&objects()).await;
        (running, before)
    }
}

impl Running {
    async fn until<T>(
        &mut self,
        what: &str,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> (T, Vec<Event>) {
        let deadline = Instant::now() + SOON;
        let mut before = Vec::new();
        loop {
            let Ok(event) = timeout_at(deadline, self.events.recv()).await else {
                panic!("waited {SOON:?} for {what}, which did not come; came: {before:#?}");
            };
            let event = event.expect("the source ended");
            if let Some(picked) = pick(&event) {
                return (picked, before);
            }
            before.push(event);
        }
    }

    async fn until_confirmed(&mut self, feed: &Feed) -> Vec<Event> {
        self.until("a confirmation", |event| {
            matches!(event, Event::Confirmed(of) if of == feed).then_some(())
        })
        .await
        .1
    }

    async fn until_interrupted(&mut self, feed: &Feed) -> (String, Vec<Event>) {
        self.until("an interruption", |event| match event {
            Event::Interrupted(of, why) if of == feed => Some(why.to_string()),
            _ => None,
        })
        .await
    }

    async fn until_object(&mut self, name: &str) -> (Object, Vec<Event>) {
        self.until(name, |event| match event {
            Event::Object(_, Change::Applied(object)) if *object.meta.name == *name => {
                Some(object.clone())
            }
            _ => None,
        })
        .await
    }

    async fn until_unreadable(&mut self) -> (String, Vec<Event>) {
        self.until("a problem", |event| match event {
            Event::Unreadable(problem) => Some(format!("{}: {}", problem.place, problem.message)),
            _ => None,
        })
        .await
    }

    /// Everything that comes until the directory has certainly been looked at twice more.
    async fn meanwhile(&mut self) -> Vec<Event> {
        let mut events = self.until_confirmed(&objects()).await;
        events.extend(self.until_confirmed(&objects()).await);
        events.retain(|event| !matches!(event, Event::Confirmed(_)));
        events
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(SOON, self.task)
            .await
            .expect("it did not stop")
            .unwrap()
            .unwrap();
    }
}

fn status(object: &Object) -> Value {
    serde_json::from_str(object.status.as_ref().unwrap().get()).unwrap()
}

fn problems(events: &[Event]) -> Vec<String> {
    let problem = |event: &Event| match event {
        Event::Unreadable(problem) => Some(format!("{}: {}", problem.place, problem.message)),
        _ => None,
    };
    events.iter().filter_map(problem).collect()
}

fn deletions(events: &[Event]) -> usize {
    let deleted = |event: &&Event| {
        matches!(
            event,
            Event::Object(_, Change::Deleted(_))
                | Event::Policy(Change::Deleted(_))
                | Event::Contract(Change::Deleted(_))
        )
    };
    events.iter().filter(deleted).count()
}

#[tokio::test]
async fn each_feed_is_told_whole_first_and_then_confirmed() {
    let shop = Shop::new();
    shop.write("crd.yaml", CRD);
    fs::create_dir(shop.path("nested")).unwrap();
    shop.write(
        "nested/more.yml",
        &(storefront("basket", "1s") + "---\n" + &policy("contract")),
    );
    fs::create_dir(shop.path(".hidden")).unwrap();
    shop.write(".hidden/no.yaml", &storefront("hidden", "1s"));
    shop.write("values.yaml", "replicas: 3\n");
    let (running, events) = shop.started().await;
    running.stop().await;

    let at = |is: &dyn Fn(&Event) -> bool| events.iter().position(is).unwrap();
    let listing = at(&|event| matches!(event, Event::Listing(of) if *of == objects()));
    let listed = at(&|event| matches!(event, Event::Listed(of) if *of == objects()));
    let applied: Vec<&Object> = events[listing..listed]
        .iter()
        .filter_map(|event| match event {
            Event::Object(_, Change::Applied(object)) => Some(object),
            _ => None,
        })
        .collect();
    let names: Vec<&str> = applied.iter().map(|object| &*object.meta.name).collect();
    assert_eq!(names, ["checkout", "basket"]);
    assert_eq!(
        status(applied[0]),
        json!({"conditions": {"network-latency": "120ms"}})
    );
    assert_eq!(applied[0].meta.annotations.len(), 1);
    assert_eq!(
        (applied[0].meta.uid.len(), &*applied[0].meta.namespace),
        (32, "shop")
    );
    assert_ne!(applied[0].meta.uid, applied[1].meta.uid);
    assert!(events.iter().any(|event| matches!(event, Event::Crd(Change::Applied(crd)) if crd.target == kind() && crd.established && crd.stored_versions == ["v1"])));
    assert!(events.iter().any(
        |event| matches!(event, Event::Policy(Change::Applied(policy)) if policy.spec.is_ok())
    ));
    assert!(events.iter().any(|event| matches!(event, Event::Contract(Change::Applied(contract)) if contract.meta.namespace.is_empty())));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Unreadable(_))),
        "{events:#?}"
    );
}

#[tokio::test]
async fn a_change_comes_by_rename_or_plain_write_and_never_twice() {
    let shop = Shop::new();
    let (mut running, first) = shop.started().await;
    shop.write("checkout.yaml", &storefront("checkout", "300ms"));
    let (renamed, _) = running.until_object("checkout").await;
    assert_eq!(status(&renamed)["conditions"]["network-latency"], "300ms");
    shop.overwrite("checkout.yaml", &storefront("checkout", "400ms"));
    let (written, _) = running.until_object("checkout").await;
    assert_eq!(status(&written)["conditions"]["network-latency"], "400ms");
    assert_eq!(renamed.meta.uid, written.meta.uid);
    assert_ne!(renamed.meta.resource_version, written.meta.resource_version);

    shop.write(
        "checkout.yaml",
        &("# only a comment\n".to_owned() + &storefront("checkout", "400ms")),
    );
    let events = running.meanwhile().await;
    assert!(events.is_empty(), "{events:#?}");
    assert!(!first.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_half_written_file_is_a_problem_and_never_a_deletion() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    shop.overwrite(
        "checkout.yaml",
        "apiVersion: shop.example.com/v1\nkind: Storefront\nmetadata: {name: che",
    );
    let (problem, before) = running.until_unreadable().await;
    assert!(problem.starts_with("checkout.yaml: line "), "{problem}");
    assert_eq!(
        deletions(&before) + deletions(&running.meanwhile().await),
        0
    );
    shop.write("checkout.yaml", &storefront("checkout", "1s"));
    running.until_object("checkout").await;

    shop.overwrite("checkout.yaml", "");
    let (problem, before) = running.until_unreadable().await;
    assert!(problem.contains("empty"), "{problem}");
    assert_eq!(
        deletions(&before) + deletions(&running.meanwhile().await),
        0
    );
    running.stop().await;
}

#[tokio::test]
async fn what_is_removed_from_a_file_or_with_it_is_deleted() {
    let shop = Shop::new();
    shop.write(
        "more.yaml",
        &(storefront("basket", "1s") + "---\n" + &storefront("search", "1s")),
    );
    let (mut running, _) = shop.started().await;
    let deleted = |event: &Event| match event {
        Event::Object(_, Change::Deleted(object)) => Some(object.meta.name.to_string()),
        _ => None,
    };
    shop.write("more.yaml", &storefront("search", "1s"));
    assert_eq!(running.until("a deletion", deleted).await.0, "basket");
    // Moving an object to another file changes nothing.
    shop.write("moved.yaml", &storefront("search", "1s"));
    fs::remove_file(shop.path("more.yaml")).unwrap();
    let events = running.meanwhile().await;
    assert_eq!(deletions(&events), 0, "{events:#?}");
    fs::remove_file(shop.path("moved.yaml")).unwrap();
    assert_eq!(running.until("a deletion", deleted).await.0, "search");
    running.stop().await;
}

#[tokio::test]
async fn a_link_is_followed_only_within_the_directory() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    let outside = shop.folder.path().join("outside.yaml");
    fs::write(&outside, storefront("checkout", "9s")).unwrap();
    let link = shop.path("link");
    symlink(&outside, &link).unwrap();
    fs::rename(&link, shop.path("checkout.yaml")).unwrap();
    let (problem, before) = running.until_unreadable().await;
    assert!(
        problem.starts_with("checkout.yaml: ") && problem.contains("leaves the directory"),
        "{problem}"
    );
    let events = running.meanwhile().await;
    assert_eq!(deletions(&before) + deletions(&events), 0);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Object(..)))
    );

    fs::create_dir(shop.path("..data")).unwrap();
    shop.write("..data/basket.yaml", &storefront("basket", "1s"));
    symlink("..data/basket.yaml", shop.path("basket.yaml")).unwrap();
    running.until_object("basket").await;
    running.stop().await;
}

#[tokio::test]
async fn one_process_runs_on_a_directory() {
    let shop = Shop::new();
    let (running, _) = shop.started().await;
    let refused = DirSource::open(shop.root(), None).unwrap_err().to_string();
    let holder = format!("process {} holds", std::process::id());
    assert!(
        refused.contains(".fusegate/lock") && refused.contains(&holder),
        "{refused}"
    );
    running.stop().await;
    assert!(DirSource::open(shop.root(), None).is_ok());
    let missing = DirSource::open(shop.path("missing"), None)
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("missing") && missing.contains("create it"),
        "{missing}"
    );
}

#[tokio::test]
async fn of_two_files_with_one_object_the_first_counts_and_both_are_named() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    shop.write("another.yaml", &storefront("checkout", "7s"));
    let (problem, _) = running.until_unreadable().await;
    assert!(
        problem.contains("another.yaml and checkout.yaml"),
        "{problem}"
    );
    assert!(
        problem.contains("the definition in another.yaml counts"),
        "{problem}"
    );
    assert_eq!(
        status(&running.until_object("checkout").await.0)["conditions"]["network-latency"],
        "7s"
    );
    fs::remove_file(shop.path("another.yaml")).unwrap();
    let (object, before) = running.until_object("checkout").await;
    assert_eq!(status(&object)["conditions"]["network-latency"], "120ms");
    assert_eq!(deletions(&before), 0);

    shop.write(
        "checkout.yaml",
        &(storefront("checkout", "1s") + "---\n" + &storefront("checkout", "2s")),
    );
    let (problem, _) = running.until_unreadable().await;
    assert!(
        problem.contains("is defined before in this file"),
        "{problem}"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_directory_that_goes_interrupts_every_feed_until_it_is_back() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    let away = shop.folder.path().join("away");
    fs::rename(shop.root(), &away).unwrap();
    let (why, before) = running.until_interrupted(&objects()).await;
    assert!(why.contains("watched"), "{why}");
    assert!(
        before
            .iter()
            .any(|event| matches!(event, Event::Interrupted(Feed::Policies, _)))
    );
    fs::rename(&away, shop.root()).unwrap();
    let back = running.until_confirmed(&objects()).await;
    assert!(
        back.iter()
            .any(|event| matches!(event, Event::Listed(of) if *of == objects()))
    );
    assert!(
        back.iter()
            .any(|event| matches!(event, Event::Object(_, Change::Applied(_))))
    );
    assert_eq!(deletions(&before) + deletions(&back), 0);
    // Its watcher come again as well.
    shop.write("checkout.yaml", &storefront("checkout", "5s"));
    running.until_object("checkout").await;

    fs::rename(shop.root(), &away).unwrap();
    fs::create_dir(shop.root()).unwrap();
    let empty = |event: &Event| match event {
        Event::Interrupted(of, why) if *of == objects() && why.contains("empty") => {
            Some(why.to_string())
        }
        _ => None,
    };
    let (why, before) = running.until("the reason", empty).await;
    assert!(why.contains("mounted"), "{why}");
    assert_eq!(deletions(&before), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_misspelled_field_is_named_and_stops_nothing() {
    let shop = Shop::new();
    shop.write("policy.yaml", &policy("contracts"));
    let (mut running, before) = shop.started().await;
    let reasons = |event: &Event| match event {
        Event::Policy(Change::Applied(policy)) => Some(policy.spec.clone().err()),
        _ => None,
    };
    let bad = before.iter().find_map(reasons).unwrap().unwrap();
    assert!(
        bad.iter().any(|reason| reason.contains("contracts")),
        "{bad:?}"
    );
    shop.write("policy.yaml", &policy("contract"));
    assert_eq!(running.until("the mended policy", reasons).await.0, None);
    running.stop().await;
}

#[tokio::test]
async fn a_stored_status_comes_with_its_document_and_goes_with_it() {
    let shop = Shop::new();
    shop.write("policy.yaml", &policy("contract"));
    let layout = Layout::new(shop.root());
    let stored = layout.status_path("CircuitPolicy", "shop", "checkout");
    write_atomic(&stored, br#"{"observedGeneration": 7}"#).unwrap();
    let (mut running, before) = shop.started().await;
    let status = before.iter().find_map(|event| match event {
        Event::Policy(Change::Applied(policy)) => policy.status.clone(),
        _ => None,
    });
    assert_eq!(status.unwrap().observed_generation, Some(7));
    write_atomic(&stored, br#"{"observedGeneration": 8}"#).unwrap();
    let events = running.meanwhile().await;
    assert!(events.is_empty(), "{events:#?}");
    fs::remove_file(shop.path("policy.yaml")).unwrap();
    running
        .until("the deletion", |event| {
            matches!(event, Event::Policy(Change::Deleted(_))).then_some(())
        })
        .await;
    assert!(!stored.exists());
    running.stop().await;
}

#[tokio::test]
async fn a_stored_revision_comes_and_editing_its_file_clears_its_mark() {
    let shop = Shop::new();
    let layout = Layout::new(shop.root());
    let mut revision = Revision {
        crd: "storefronts.shop.example.com".into(),
        crd_uid: "u1".into(),
        number: 2,
        hash: "h".into(),
        seen_at: 5,
        bad: Some("trip-1".into()),
        spec: Arc::new(json!({"group": "shop.example.com"})),
    };
    let path = layout.revision_path(&revision.crd, 2);
    let store = |revision: &Revision| {
        let bytes = serde_json::to_vec(&StoredRevision::from(revision)).unwrap();
        write_atomic(&path, &bytes).unwrap();
    };
    store(&revision);
    let (mut running, before) = shop.started().await;
    let seen = |event: &Event| match event {
        Event::Revision(Change::Applied(revision)) => Some(revision.clone()),
        _ => None,
    };
    assert_eq!(before.iter().find_map(seen).unwrap(), revision);
    revision.bad = None;
    store(&revision);
    assert_eq!(running.until("the cleared mark", seen).await.0, revision);
    fs::remove_file(&path).unwrap();
    running
        .until("its end", |event| {
            matches!(event, Event::Revision(Change::Deleted(_))).then_some(())
        })
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_kind_is_told_whole_with_its_crd_when_its_contract_comes() {
    let shop = Shop::new();
    shop.write("crd.yaml", CRD);
    fs::remove_file(shop.path("contract.yaml")).unwrap();
    let mut running = shop.start();
    let before = running.until_confirmed(&Feed::Revisions).await;
    assert!(
        !before
            .iter()
            .any(|event| matches!(event, Event::Object(..) | Event::Crd(_))),
        "{before:#?}"
    );
    shop.write("contract.yaml", CONTRACT);
    let events = running.until_confirmed(&objects()).await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Crd(Change::Applied(_))))
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Object(_, Change::Applied(_))))
    );
    fs::remove_file(shop.path("contract.yaml")).unwrap();
    running
        .until("the contract's end", |event| {
            matches!(event, Event::Contract(Change::Deleted(_))).then_some(())
        })
        .await;
    shop.write("checkout.yaml", &storefront("checkout", "8s"));
    running.until_confirmed(&Feed::Revisions).await;
    let after = running.until_confirmed(&Feed::Revisions).await;
    assert!(
        !after.iter().any(|event| matches!(event, Event::Object(..))),
        "{after:#?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn ten_megabytes_in_one_value_come_whole_and_no_larger_file() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    shop.write(
        "checkout.yaml",
        &storefront("checkout", &"x".repeat(10 << 20)),
    );
    let (object, _) = running.until_object("checkout").await;
    assert!(object.status.unwrap().get().len() > 10 << 20);
    shop.write(
        "checkout.yaml",
        &storefront("checkout", &"x".repeat(17 << 20)),
    );
    let (problem, before) = running.until_unreadable().await;
    assert!(problem.contains("16777216"), "{problem}");
    assert_eq!(deletions(&before), 0);
    running.stop().await;
}

#[tokio::test]
async fn after_a_restart_an_unreadable_file_holds_back_only_its_own_part() {
    let shop = Shop::new();
    shop.write("policy.yaml", &policy("contract"));
    let (running, _) = shop.started().await;
    running.stop().await;
    shop.overwrite("checkout.yaml", "half: [");
    shop.overwrite("never-known.yaml", "half: [");

    let mut running = shop.start();
    let (why, mut before) = running.until_interrupted(&objects()).await;
    assert!(why.contains("checkout.yaml"), "{why}");
    before.extend(running.until_confirmed(&Feed::Policies).await);
    assert!(
        !before
            .iter()
            .any(|event| matches!(event, Event::Listing(of) if *of == objects())),
        "{before:#?}"
    );
    shop.write("checkout.yaml", &storefront("checkout", "1s"));
    let events = running.until_confirmed(&objects()).await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Object(_, Change::Applied(_))))
    );
    running.stop().await;
}

#[tokio::test]
async fn not_a_number_is_spelled_as_everywhere_else() {
    let shop = Shop::new();
    shop.write(
        "checkout.yaml",
        &storefront("checkout", "[.nan, -.inf, .inf]"),
    );
    let (running, before) = shop.started().await;
    let object = before.iter().find_map(|event| match event {
        Event::Object(_, Change::Applied(object)) => Some(object),
        _ => None,
    });
    assert_eq!(
        status(object.unwrap())["conditions"]["network-latency"],
        json!(["NaN", "-Infinity", "Infinity"])
    );
    running.stop().await;
}

#[tokio::test]
async fn a_malformed_document_hides_no_other_and_what_stood_in_it_stays() {
    let shop = Shop::new();
    let (first, second) = (storefront("basket", "1s"), storefront("search", "1s"));
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'storefront:viewer'}\n";
    shop.write("all.yaml", &[&first, role, &second].join(SEPARATOR));
    let (mut running, before) = shop.started().await;
    assert!(problems(&before).is_empty(), "{before:#?}");

    let half = "apiVersion: shop.example.com/v1\nkind: Storefront\nmetadata: {name: sea";
    let changed = storefront("basket", "2s");
    shop.write("all.yaml", &[&changed, role, half].join(SEPARATOR));
    let (basket, before) = running.until_object("basket").await;
    assert_eq!(status(&basket)["conditions"]["network-latency"], "2s");
    let named = problems(&before);
    assert!(
        named[0].starts_with("all.yaml: document 3: line "),
        "{named:?}"
    );
    assert_eq!(deletions(&running.meanwhile().await), 0);

    shop.write("all.yaml", &changed);
    let deleted = |event: &Event| match event {
        Event::Object(_, Change::Deleted(object)) => Some(object.meta.name.to_string()),
        _ => None,
    };
    assert_eq!(running.until("a deletion", deleted).await.0, "search");
    running.stop().await;
}

#[tokio::test]
async fn an_object_without_a_name_is_named_once_its_kind_has_a_contract() {
    let shop = Shop::new();
    fs::remove_file(shop.path("contract.yaml")).unwrap();
    let nameless = storefront("checkout", "1s").replace("name: checkout", "name: Check_Out");
    shop.write("nameless.yaml", &nameless);
    let mut running = shop.start();
    let before = running.until_confirmed(&Feed::Revisions).await;
    assert!(problems(&before).is_empty(), "{before:#?}");
    shop.write("contract.yaml", CONTRACT);
    let (problem, _) = running.until_unreadable().await;
    assert!(
        problem.starts_with("nameless.yaml: Storefront") && problem.contains("Check_Out"),
        "{problem}"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_last_line_need_not_end_and_extensions_do_not_differ_by_case() {
    let shop = Shop::new();
    let (mut running, _) = shop.started().await;
    shop.overwrite("basket.YAML", storefront("basket", "1s").trim_end());
    running.until_object("basket").await;
    let lines = ["a", "b"].map(|name| {
        json!({"apiVersion": "shop.example.com/v1", "kind": "Storefront", "metadata": {"name": name}})
            .to_string()
    });
    shop.overwrite("lines.jsonl", &lines.join("\n"));
    running.until_object("a").await;
    running.until_object("b").await;
    running.stop().await;
}

#[tokio::test]
async fn files_of_which_something_is_not_read_are_listed() {
    let shop = Shop::new();
    shop.write("values.yaml", "replicas: 3\n");
    shop.write("half.yaml", "a: [\n");
    let skipped = SkippedFiles::default();
    let (sender, mut events) = queue::open(LIMITS, Metrics::new());
    let shutdown = CancellationToken::new();
    let source = DirSource::open(shop.root(), None).unwrap();
    let source = source.listing_skipped(skipped.clone());
    let task = tokio::spawn(source.run(sender, shutdown.clone()));
    while !matches!(events.recv().await, Some(Event::Confirmed(of)) if of == objects()) {}
    let listed: Vec<String> = skipped.get().iter().map(ToString::to_string).collect();
    assert!(listed[0].starts_with("half.yaml: line "), "{listed:?}");
    assert!(
        listed[1].starts_with("values.yaml: it holds no Kubernetes object"),
        "{listed:?}"
    );
    assert_eq!(listed.len(), 2);
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn state_survives_a_swap_of_the_link_that_leads_to_the_directory() {
    let shop = Shop::new();
    let at = |name: &str| shop.folder.path().join(name);
    fs::create_dir(at("next")).unwrap();
    fs::write(at("next/checkout.yaml"), storefront("checkout", "2s")).unwrap();
    fs::write(at("next/contract.yaml"), CONTRACT).unwrap();
    symlink("watched", at("current")).unwrap();
    write_atomic(&Layout::new(shop.root()).index_path(), b"{}").unwrap();

    let source = DirSource::open(at("current"), None).unwrap();
    let layout = source.layout().clone();
    assert_eq!(layout.state_folder(), at(".fusegate"));
    assert!(layout.index_path().exists(), "what was inside is moved");
    assert!(!shop.path(".fusegate").exists());
    let (sender, mut events) = queue::open(LIMITS, Metrics::new());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(source.run(sender, shutdown.clone()));
    while !matches!(events.recv().await, Some(Event::Confirmed(of)) if of == objects()) {}
    symlink("next", at("swapped")).unwrap();
    fs::rename(at("swapped"), at("current")).unwrap();
    let changed = async {
        loop {
            match events.recv().await.unwrap() {
                Event::Object(_, Change::Applied(object)) => return object,
                Event::Object(_, Change::Deleted(object)) => panic!("{object:?} was deleted"),
                _ => {}
            }
        }
    };
    let object = tokio::time::timeout(SOON, changed).await.unwrap();
    assert_eq!(status(&object)["conditions"]["network-latency"], "2s");
    assert!(layout.lock_path().exists());
    shutdown.cancel();
    task.await.unwrap().unwrap();

    let elsewhere = shop.folder.path().join("state");
    let refused = DirSource::open(at("current"), Some(&elsewhere)).unwrap_err();
    assert!(refused.to_string().contains("--state"), "{refused}");
    fs::create_dir(&elsewhere).unwrap();
    let source = DirSource::open(at("current"), Some(&elsewhere)).unwrap();
    assert!(source.layout().lock_path().starts_with(&elsewhere));
}
