//! A Prometheus that says what a test lets it say: slowly, too much, elsewhere, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use fusegate_crds::{ObjectLabels, PrometheusQuery};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::source::queue::{self, Limits, Receiver};

/// A query every 15 seconds.
pub(super) fn query(key: &str, text: &str) -> Query {
    let object = ObjectLabels {
        namespace: Some("namespace".to_owned()),
        name: "app".to_owned(),
    };
    Query {
        name: QueryName {
            contract: "services".into(),
            key: key.into(),
        },
        spec: Arc::new(PrometheusQuery {
            query: text.to_owned(),
            object,
            interval: "15s".into(),
            max_age: "60s".into(),
        }),
        interval: 15_000,
        max_age: 60_000,
    }
}

/// What a stand-in saw.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    busy: AtomicUsize,
    most: AtomicUsize,
}

/// Answers by what is asked: a number is a value, and a word something else.
async fn answer(
    State(seen): State<Arc<Seen>>,
    headers: HeaderMap,
    body: String,
) -> axum::response::Response {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<String, String> = form.query_pairs().into_owned().collect();
    seen.requests.fetch_add(1, Ordering::Relaxed);
    let busy = seen.busy.fetch_add(1, Ordering::Relaxed) + 1;
    seen.most.fetch_max(busy, Ordering::Relaxed);
    let response = match form["query"].as_str() {
        "hang" => std::future::pending().await,
        "yield" => {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            vector(1, "1").into_response()
        }
        "many" => vector(10_000, "1").into_response(),
        "large" => vector(1, &"1".repeat(MOST_BYTES)).into_response(),
        "form" => {
            Json(json!({"status": "error", "errorType": "bad_data", "error": format!("{form:?}")}))
                .into_response()
        }
        "who" => {
            let who = headers
                .get("authorization")
                .map(|header| header.to_str().unwrap());
            Json(json!({"status": "error", "errorType": "bad_data", "error": format!("{who:?}")}))
                .into_response()
        }
        "elsewhere" => (
            StatusCode::FOUND,
            [("location", "http://127.0.0.1:9/login")],
        )
            .into_response(),
        "garbage" => "<html>".into_response(),
        number => vector(1, number).into_response(),
    };
    seen.busy.fetch_sub(1, Ordering::Relaxed);
    response
}

fn vector(count: usize, value: &str) -> Json<Value> {
    let one = |number: usize| {
        let labels = json!({"namespace": "shop", "app": format!("app-{number}")});
        json!({"metric": labels, "value": [1_800_000_000, value]})
    };
    let series: Vec<Value> = (0..count).map(one).collect();
    let data = json!({"resultType": "vector", "result": series});
    Json(json!({"status": "success", "data": data}))
}

/// A stand-in, and its URL.
async fn stand_in() -> (Arc<Seen>, String) {
    let seen = Arc::new(Seen::default());
    let router = Router::new()
        .route("/prefix/api/v1/query", post(answer))
        .with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (seen, url)
}

/// A URL where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn source(urls: &[&str], metrics: Metrics) -> PrometheusSource {
    let urls = urls.iter().map(|url| url.parse().unwrap()).collect();
    PrometheusSource::new(urls, Clock::start(), metrics).unwrap()
}

async fn ask(url: &str, text: &str) -> Result<Answered, Unanswered> {
    let source = source(&[url], Metrics::new());
    source.shared.run(&query("error-rate", text)).await
}

fn reason(result: &Result<Answered, Unanswered>) -> UnansweredReason {
    result.as_ref().unwrap_err().reason
}

fn message(result: &Result<Answered, Unanswered>) -> &str {
    &result.as_ref().unwrap_err().message
}

#[tokio::test]
async fn a_value_and_whatever_is_none() {
    let (_, url) = stand_in().await;
    let series = ask(&url, "0.5").await.unwrap().series;
    assert_eq!(format!("{:?}", series[0].value), "0.5");
    let many = ask(&url, "many").await;
    assert_eq!(reason(&many), UnansweredReason::TooManySeries);
    assert!(message(&many).contains("5000 series"), "{many:?}");
    let large = ask(&url, "large").await;
    assert_eq!(reason(&large), UnansweredReason::TooManySeries);
    assert!(message(&large).contains("4 MiB"), "{large:?}");
    for (text, said) in [
        ("elsewhere", "302 Found: it sends its callers elsewhere"),
        ("garbage", "no answer of the query API"),
    ] {
        let result = ask(&url, text).await;
        assert_eq!(reason(&result), UnansweredReason::Failed);
        assert!(message(&result).contains(said), "{result:?}");
    }
    let refused = ask(&nobody().await, "1").await;
    assert!(message(&refused).contains("refused"), "{refused:?}");
}

#[tokio::test]
async fn prometheus_is_asked_for_no_older_and_no_more_than_is_read() {
    let (_, url) = stand_in().await;
    let asked = ask(&url, "form").await;
    for part in [
        r#""lookback_delta": "60000ms""#,
        r#""limit": "5001""#,
        r#""timeout": ""#,
    ] {
        assert!(message(&asked).contains(part), "{part}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_hangs_ends_within_its_time() {
    let (_, url) = stand_in().await;
    let hung = ask(&url, "hang").await;
    assert_eq!(reason(&hung), UnansweredReason::TimedOut);
    assert!(message(&hung).contains("no answer within"), "{hung:?}");
}

#[tokio::test]
async fn servers_are_asked_in_order_until_one_answers() {
    let (seen, url) = stand_in().await;
    let nobody = nobody().await;
    let metrics = Metrics::new();
    let source = source(&[&nobody, &url, &nobody], metrics);
    let answered = source.shared.run(&query("error-rate", "0.5")).await;
    assert_eq!(answered.unwrap().series.len(), 1);
    assert_eq!(seen.requests.load(Ordering::Relaxed), 1);
    let failed = source.shared.run(&query("error-rate", "garbage")).await;
    let said = message(&failed);
    assert_eq!(said.matches("refused").count(), 2, "{said}");
    assert!(said.contains("/prefix: 200 OK"), "{said}");
}

#[tokio::test]
async fn without_a_server_the_answer_says_what_to_do() {
    let source = source(&[], Metrics::new());
    let none = source.shared.run(&query("error-rate", "1")).await;
    assert!(message(&none).contains("--prometheus URL"), "{none:?}");
}

#[tokio::test]
async fn credentials_are_read_again_before_each_question() {
    let (_, url) = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let options = folder.path().join("http.yaml");
    let token = folder.path().join("token");
    std::fs::write(&options, "authorization: {credentials_file: token}\n").unwrap();
    std::fs::write(&token, "first\n").unwrap();
    let server: ServerUrl = url.parse().unwrap();
    let servers = vec![server.with_options_in(Some(options))];
    let source = PrometheusSource::new(servers, Clock::start(), Metrics::new()).unwrap();
    let who = async || source.shared.run(&query("error-rate", "who")).await;
    assert!(message(&who().await).contains("Bearer first"));
    std::fs::write(&token, "second").unwrap();
    assert!(message(&who().await).contains("Bearer second"));
    std::fs::remove_file(&token).unwrap();
    let unread = who().await;
    assert!(message(&unread).contains("can't be read"), "{unread:?}");
}

#[test]
fn a_start_that_can_not_succeed_fails_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = folder.path().join("http.yaml");
    let start = |text: &str| {
        std::fs::write(&options, text).unwrap();
        let server: ServerUrl = "https://prometheus".parse().unwrap();
        let servers = vec![server.with_options_in(Some(options.clone()))];
        PrometheusSource::new(servers, Clock::start(), Metrics::new()).map(drop)
    };
    let named = start("tls_config: {server_name: other}").unwrap_err();
    assert!(named.to_string().contains("server_name"), "{named}");
    let missing = start("tls_config: {ca_file: gone.pem}").unwrap_err();
    assert!(matches!(missing, Unreachable::Options(_)), "{missing:?}");
}

/// A running source.
struct Running {
    wanted: watch::Sender<Arc<[Query]>>,
    events: Receiver,
    metrics: Metrics,
}

fn run(url: &str) -> Running {
    let metrics = Metrics::new();
    let limits = Limits {
        events: 1_000,
        bytes: 1 << 20,
    };
    let (sender, events) = queue::open(limits, metrics.clone());
    let (wanted, queries) = watch::channel(Arc::from([]));
    let source = source(&[url], metrics.clone());
    tokio::spawn(source.run(queries, sender, CancellationToken::new()));
    Running {
        wanted,
        events,
        metrics,
    }
}

impl Running {
    fn want(&self, queries: impl IntoIterator<Item = Query>) {
        self.wanted.send_replace(queries.into_iter().collect());
    }

    async fn next(&mut self) -> Answer {
        match self.events.recv().await {
            Some(Event::Answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_new_query_runs_at_once_and_only_a_few_at_a_time() {
    let (seen, url) = stand_in().await;
    let mut running = run(&url);
    running.want((0..100).map(|number| query(&format!("key-{number}"), "yield")));
    let mut keys = BTreeSet::new();
    while keys.len() < 100 {
        let answer = running.next().await;
        assert!(answer.result.is_ok(), "{answer:?}");
        keys.insert(answer.key);
    }
    let most = seen.most.load(Ordering::Relaxed);
    assert!(most <= AT_ONCE, "{most} at once");
}

#[tokio::test]
async fn queries_beyond_the_bound_do_not_run_and_say_so() {
    let (_, url) = stand_in().await;
    let mut running = run(&url);
    let queries =
        |from: usize| (from..=MOST_QUERIES).map(|number| query(&format!("key-{number:03}"), "1"));
    running.want(queries(0));
    let (mut answered, mut refused) = (BTreeSet::new(), Vec::new());
    while answered.len() < MOST_QUERIES || refused.is_empty() {
        let answer = running.next().await;
        if answer.result.is_ok() {
            answered.insert(answer.key);
        } else {
            refused.push(answer);
        }
    }
    assert_eq!(refused.len(), 1);
    assert_eq!(&*refused[0].key, "key-128");
    assert!(message(&refused[0].result).contains("128 queries"));
    let metrics = running.metrics.encode();
    let met = r#"fusegate_bounds_met_total{bound="prometheus_queries"} 1"#;
    assert!(metrics.lines().any(|line| line == met), "{metrics}");
    running.want(queries(1));
    let mut answer = running.next().await;
    while &*answer.key != "key-128" {
        answer = running.next().await;
    }
    assert!(answer.result.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn another_text_of_a_query_runs_in_place_of_the_one_before() {
    let (_, url) = stand_in().await;
    let mut running = run(&url);
    running.want([query("error-rate", "1")]);
    assert_eq!(running.next().await.query.query, "1");
    running.want([query("error-rate", "2")]);
    assert_eq!(running.next().await.query.query, "2");
}
