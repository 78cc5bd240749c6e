//! The page and its documents, through the real router.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt;

use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::time::{Mono, Wall};
use crate::serve::fixture::{self, circuit, forced, get, policy, rule, state, storefront};
use crate::serve::history::story::Entry;
use crate::serve::proxies::{Behind, Name, Proxy, Refusal, Type};
use crate::serve::server::router;
use crate::serve::state::ServeState;
use crate::wire::view::{CircuitView, ContractView, RevisionView, Seen, View};

const TRIP: &str = "0000000000000abc";

/// One open circuit, one armed, one overridden and one at rest.
fn shop() -> View {
    let mut policy = policy([
        ("eu-1", circuit(StateName::Open)),
        (
            "eu-2",
            CircuitView {
                armed: true,
                ..circuit(StateName::Closed).seeing([rule("network-latency", 312.0, 2)])
            },
        ),
        ("us-1", forced(StateName::Open, Forced::Closed)),
        ("us-2", circuit(StateName::Closed)),
    ]);
    policy.config = Some(circuit(StateName::Closed).config);
    policy.units = [" ms"].into();
    policy.layer = Some("shop".into());
    fixture::view(policy)
}

fn revision(number: u64, length: u64) -> RevisionView {
    RevisionView {
        number,
        seen_at: Wall(1_000),
        bad: (number == 2).then(|| TRIP.into()),
        live: number == 2,
        spec: Arc::new(json!({
            "group": "shop.example.com", "scope": "Namespaced",
            "names": {"kind": "Storefront", "plural": "storefronts"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "title": {"type": "string", "maxLength": length},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    }},
                }}},
            }],
        })),
    }
}

async fn told(view: View) -> ServeState {
    let state = state(view);
    let opened = Seen {
        policy: ("shop".into(), "checkout".into()),
        object: "eu-1".into(),
        circuit: Arc::new(circuit(StateName::Open)),
    };
    let entry = Entry {
        at: Wall(1_000),
        action: "State",
        operation: "Open",
        verdict: "Enforced",
        source: "report",
        resource: "Storefront.shop.example.com/shop/eu-1".into(),
        policy: Some("shop/checkout".into()),
        reason: "network-latency 312 ms: 3 in a row".into(),
    };
    {
        let mut history = state.history.write().await;
        history.see(Wall(1_000), &[opened]);
        history.tell(TRIP, entry);
    }
    state
}

#[tokio::test]
async fn a_browser_gets_the_page_and_everybody_else_the_index() {
    let state = state(shop());
    let asked = Request::get("/").header(header::ACCEPT, "text/html,application/xhtml+xml");
    let asked = asked.body(Body::empty()).unwrap();
    let page = router(state.clone()).oneshot(asked).await.unwrap();
    let header = |name| page.headers()[name].to_str().unwrap();
    assert_eq!(header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    let policy = header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let index = get(&state, "/").await;
    assert_eq!(index.content_type, "application/json");
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there_and_names_no_other_host() {
    let state = state(shop());
    let mut files = Vec::from([
        "app.js".to_owned(),
        "style.css".to_owned(),
        "icon.svg".to_owned(),
    ]);
    let mut seen = 0;
    while let Some(file) = files.get(seen).cloned() {
        seen += 1;
        let answer = get(&state, &format!("/page/{file}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        let imports = answer.body.split("from \"./").skip(1);
        files.extend(imports.filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
        let elsewhere = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://"), "{file} names another host");
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(
                !answer.body.contains(markup),
                "{file} makes markup of text by {markup}"
            );
        }
    }
    assert!(seen >= 7, "{files:?}");
    let none = get(&state, "/page/none.js").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_overview_counts_each_standing_and_lists_what_wants_looking_at() {
    let overview = get(&state(shop()), "/v1/overview").await.json();
    assert_eq!(
        overview["circuits"],
        json!({
            "open": 1, "halfOpen": 0, "closed": 3, "armed": 1, "latched": 0, "suppressed": 0,
            "overridden": 1, "total": 4,
        })
    );
    let troubled = overview["troubled"].as_array().unwrap();
    let objects: Vec<_> = troubled
        .iter()
        .map(|each| each["object"].as_str().unwrap())
        .collect();
    assert_eq!(objects, ["eu-1", "eu-2", "us-1"]);
    assert_eq!(overview["problems"], json!([]));
}

#[tokio::test]
async fn the_overview_names_what_is_wrong_with_the_installation() {
    let mut view = fixture::unconfirmed(shop(), Mono(3_600_000_000), 45_000);
    view.synced = false;
    let mut state = state(view);
    state.skipped = Arc::new(|| vec!["shop.yaml: line 3: a tab".into()]);
    let overview = get(&state, "/v1/overview").await.json();
    let problems = overview["problems"].as_array().unwrap();
    let what: Vec<_> = problems
        .iter()
        .map(|each| each["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        what,
        [
            "Not synced yet",
            "Storefront.shop.example.com is not watched",
            "A file is not read"
        ]
    );
}

#[tokio::test]
async fn circuits_are_found_by_standing_and_by_part_of_a_name() {
    let state = state(shop());
    let found = async |query: &str| {
        let page = get(&state, &format!("/v1/circuits?{query}")).await.json();
        let items = page["items"].as_array().unwrap().clone();
        let names = items
            .iter()
            .map(|item| item["object"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(found("state=Armed").await, ["eu-2"]);
    assert_eq!(found("state=Overridden").await, ["us-1"]);
    assert_eq!(found("state=Troubled").await, ["eu-1", "eu-2", "us-1"]);
    assert_eq!(found("q=US-").await, ["us-1", "us-2"]);
    assert_eq!(found("q=shop/checkout/eu-1").await, ["eu-1"]);
    assert!(found("q=nothing").await.is_empty());
}

#[tokio::test]
async fn a_circuit_is_told_with_its_history_its_gate_and_what_to_type() {
    let mut state = told(shop()).await;
    state.proxies = Arc::new(|query| {
        assert_eq!(query.layer.as_deref(), Some("shop"));
        vec![
            proxy("good", None),
            proxy("bad", Some("<b>no such key</b>")),
        ]
    });
    let told = get(&state, "/v1/circuits/shop/checkout/eu-1").await.json();
    assert_eq!(told["circuit"]["state"], "Open");
    assert_eq!(told["rules"][0]["test"], "above 250 ms, clear below 200 ms");
    assert_eq!(
        told["takes"],
        "3 Bad samples in a row within 10 min; a value that stands counts again every 30 s"
    );
    assert_eq!(told["samples"], json!([[1_000, 0, "Bad", 312.0]]));
    assert_eq!(told["moves"][0]["state"], "Open");
    assert_eq!(told["lastTrip"]["id"], TRIP);
    assert_eq!(told["gate"]["passes"], false);
    assert_eq!(told["proxies"]["subscribed"], 2);
    assert_eq!(told["proxies"]["holding"], 1);
    assert_eq!(
        told["proxies"]["listed"][0]["refused"],
        "<b>no such key</b>"
    );
    let commands = told["commands"].to_string();
    assert!(
        commands.contains("fusegate release shop/checkout --object eu-1"),
        "{commands}"
    );
    let none = get(&state, "/v1/circuits/shop/checkout/none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(
        none.body.contains("there is no circuit of \"none\""),
        "{}",
        none.body
    );
}

fn proxy(node: &str, refused: Option<&str>) -> Proxy {
    let holds = refused.is_none();
    Proxy {
        node: node.into(),
        types: vec![Type {
            name: "envoy.service.runtime.v3.Runtime".into(),
            names: vec![Name {
                name: "shop".into(),
                permitted: true,
                published: Some("v2".into()),
                acked: Some(if holds { "v2" } else { "v1" }.into()),
                nacked: refused.map(|_| "v2".into()),
                ..Name::default()
            }],
            nacked: refused.map(|message| Refusal {
                message: message.into(),
                ..Refusal::default()
            }),
            behind: Behind {
                names: usize::from(!holds),
                ..Behind::default()
            },
            ..Type::default()
        }],
        ..Proxy::default()
    }
}

#[tokio::test]
async fn a_trip_is_told_in_order_and_found_however_its_id_is_written() {
    let state = told(shop()).await;
    for id in [TRIP, "abc", "ABC"] {
        let trip = get(&state, &format!("/v1/trips/{id}")).await.json();
        assert_eq!(trip["id"], TRIP);
        assert_eq!(trip["stands"], true);
        assert_eq!(trip["story"][0]["operation"], "Open");
        assert_eq!(trip["circuit"]["circuit"]["object"], "eu-1");
    }
    for id in ["def", "<script>"] {
        let id = id.replace('<', "%3C").replace('>', "%3E");
        let none = get(&state, &format!("/v1/trips/{id}")).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        assert!(none.body.contains("audit log"), "{}", none.body);
        assert!(
            none.content_type.starts_with("text/plain"),
            "{}",
            none.content_type
        );
    }
}

#[tokio::test]
async fn a_trip_from_before_the_start_says_where_its_story_is() {
    let trip = get(&state(shop()), &format!("/v1/trips/{TRIP}"))
        .await
        .json();
    assert_eq!(trip["story"], json!([]));
    assert!(
        trip["note"]
            .as_str()
            .unwrap()
            .contains("the audit log has its story")
    );
    assert_eq!(trip["circuit"]["circuit"]["object"], "eu-1");
}

#[tokio::test]
async fn a_contract_tells_how_each_schema_differs_and_what_linting_finds() {
    let mut view = shop();
    let contract = ContractView {
        kind: Some(storefront()),
        rejected: None,
        spec: None,
        status: None,
        incidents: Vec::new(),
        revisions: vec![revision(1, 64), revision(2, 32)],
    };
    view.contracts
        .insert("storefronts".into(), Arc::new(contract));
    let state = state(view);
    let list = get(&state, "/v1/contracts").await.json();
    assert_eq!(list["items"][0]["live"], 2);
    assert_eq!(list["items"][0]["bad"], 1);
    let told = get(&state, "/v1/contracts/storefronts").await.json();
    assert_eq!(told["revisions"][0]["number"], 2, "the newest comes first");
    let change = &told["revisions"][0]["changes"][0];
    assert!(
        change["message"]
            .as_str()
            .unwrap()
            .contains("from 64 to 32"),
        "{change}"
    );
    assert_eq!(told["revisions"][1]["changes"], json!(null));
    assert_eq!(told["queries"], json!([]));
    assert!(!told["lint"].as_array().unwrap().is_empty());
    let none = get(&state, "/v1/contracts/none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_policy_is_told_with_its_rules() {
    let state = state(shop());
    let told = get(&state, "/v1/policies/shop/checkout").await.json();
    assert_eq!(told["policy"]["circuits"]["total"], 4);
    assert_eq!(told["rules"][0]["limit"], 250.0);
    let none = get(&state, "/v1/policies/shop/none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn events_say_when_the_view_is_another_one() {
    let state = state(shop());
    let asked = Request::get("/v1/events").body(Body::empty()).unwrap();
    let answer = router(state.clone()).oneshot(asked).await.unwrap();
    let mut body = answer.into_body();
    for _ in 0..2 {
        let frame = body.frame().await.unwrap().unwrap();
        let text = frame.into_data().unwrap();
        assert_eq!(&*text, b"event: changed\ndata: {}\n\n");
        state.view.store(Arc::new(shop()));
    }
    assert_eq!(state.waiters.count(), 1);
    drop(body);
    assert_eq!(
        state.waiters.count(),
        0,
        "whoever goes gives the place back"
    );
}

/// The time is printed and not judged: `cargo test ten_thousand -- --nocapture`.
#[tokio::test]
async fn ten_thousand_circuits_are_listed_page_by_page() {
    let mut view = View {
        synced: true,
        ..View::default()
    };
    for policy_number in 0..100 {
        let circuits = (0..100).map(|number| {
            let sick = number == 0;
            let state = if sick {
                StateName::Open
            } else {
                StateName::Closed
            };
            (
                Arc::from(format!("object-{number:03}")),
                Arc::new(circuit(state)),
            )
        });
        let mut policy = policy([]);
        policy.circuits = circuits.collect();
        let name = (
            Arc::from("shop"),
            Arc::from(format!("policy-{policy_number:03}")),
        );
        view.policies.insert(name, Arc::new(policy));
    }
    let state = state(view);
    let began = state.clock.elapsed();
    let overview = get(&state, "/v1/overview").await.json();
    let glanced = state.clock.elapsed().saturating_sub(began);
    assert_eq!(overview["circuits"]["total"], 10_000);
    let (mut uri, mut listed) = (String::from("/v1/circuits?limit=1000"), 0);
    let mut all = std::time::Duration::ZERO;
    loop {
        let began = state.clock.elapsed();
        let answer = get(&state, &uri).await;
        all += state.clock.elapsed().saturating_sub(began);
        let page = answer.json();
        listed += page["items"].as_array().unwrap().len();
        let Some(next) = page["continue"].as_str() else {
            break;
        };
        uri.truncate("/v1/circuits?limit=1000".len());
        write!(uri, "&continue={next}").unwrap();
    }
    let began = state.clock.elapsed();
    let found = get(&state, "/v1/circuits?q=policy-099/object-09&limit=100")
        .await
        .json();
    let searched = state.clock.elapsed().saturating_sub(began);
    assert_eq!(listed, 10_000);
    assert_eq!(found["items"].as_array().unwrap().len(), 10);
    println!("10,000 circuits: overview {glanced:?}, all ten pages {all:?}, a search {searched:?}");
}
