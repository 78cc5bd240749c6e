//! Hand-made views for the tests of this folder.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::FutureExt as _;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::breaker::circuit::{Cause, Forced, StateName, TripId};
use crate::breaker::config::{Begin, Config, Flap, Missing, Probe, Rule, Test, Wait};
use crate::breaker::observed::Observed;
use crate::breaker::sample::{Class, ObservationId, Value};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Span, Wall};
use crate::runtime::clock::Clock;
use crate::runtime::memory::pressure::Memory;
use crate::runtime::metrics::{Bound, Metrics};
use crate::serve::access::{Access, Pace, SharedTokens};
use crate::serve::alertmanager::{Desk, Ledger};
use crate::serve::counters::Counters;
use crate::serve::history::SharedHistory;
use crate::serve::installation::Installation;
use crate::serve::notice::Notices;
use crate::serve::server::{router, serve};
use crate::serve::state::{Heartbeat, ServeState};
use crate::serve::top::SharedTop;
use crate::serve::waiters::Waiters;
use crate::wire::event::GroupKind;
use crate::wire::labels::Labels;
use crate::wire::view::{self, CircuitView, Outage, PolicyView, Tripped, View};

pub(crate) const NOW: Mono = Mono(3_000_000);

pub(crate) fn storefront() -> GroupKind {
    GroupKind::new("shop.example.com", "Storefront")
}

/// A circuit in a state that evidence alone made.
pub(crate) fn circuit(state: StateName) -> CircuitView {
    let tripped = state != StateName::Closed;
    let outage = Outage {
        trip: tripped.then_some(TripId(0xabc)),
        cause: tripped.then_some(Cause::Breach),
        tripped: tripped.then(|| {
            Box::new(Tripped {
                id: TripId(0xabc),
                at: Wall(1_000),
                condition: Some("network-latency".into()),
                value: Some(Value::Number(312.0)),
            })
        }),
        until: tripped.then_some(Wall(61_000)),
        probe: (state == StateName::HalfOpen).then_some(view::Probe {
            successes: 1,
            needed: 3,
        }),
        root: None,
    };
    CircuitView {
        uid: "0a1b".into(),
        state,
        shadow: state,
        forced: None,
        labels: Labels::default(),
        outage: outage.kept(),
        since: Some(Wall(1_000)),
        admit_percent: if tripped { 0 } else { 100 },
        armed: false,
        latched: false,
        suppressed: false,
        config: Arc::new(config(Vec::new())),
        streaks: Arc::default(),
    }
    .seeing([rule("network-latency", 312.0, if tripped { 3 } else { 0 })])
}

/// A circuit whose evidence says one thing and whose override another.
pub(crate) fn forced(shadow: StateName, forced: Forced) -> CircuitView {
    let state = match forced {
        Forced::Open => StateName::Open,
        Forced::Closed | Forced::Observe => StateName::Closed,
    };
    CircuitView {
        state,
        forced: Some(forced),
        ..circuit(shadow)
    }
}

/// What a rule sees.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) condition: Arc<str>,
    pub(crate) value: Option<Value>,
    /// `None` before the first report.
    pub(crate) class: Option<Class>,
    pub(crate) streak: u32,
    pub(crate) arrived: Mono,
}

pub(crate) fn rule(condition: &str, value: f64, streak: u32) -> Sight {
    Sight {
        condition: condition.into(),
        value: Some(Value::Number(value)),
        class: Some(if streak > 0 { Class::Bad } else { Class::Good }),
        streak,
        arrived: Mono(NOW.0 - 4_000),
    }
}

impl Sight {
    fn rule(&self) -> Rule {
        Rule {
            condition: Arc::clone(&self.condition),
            test: Test::Above {
                limit: 250.0,
                clear: Some(200.0),
            },
            missing: Missing::Unknown,
            stale_after: Some(Span::from_secs(90)),
        }
    }

    fn streak(self) -> Streak {
        let last = self.class.map(|class| Observed {
            id: ObservationId(0),
            observed_at: None,
            arrived: self.arrived,
            counted: self.arrived,
            value: self.value,
            class,
            live: true,
            born: 0,
        });
        Streak::with(last, self.streak)
    }
}

impl CircuitView {
    /// The same, of whose outage something else is said.
    pub(crate) fn saying(self, change: impl FnOnce(&mut Outage)) -> Self {
        let mut outage = Outage::clone(&self);
        change(&mut outage);
        Self {
            outage: outage.kept(),
            ..self
        }
    }

    /// The same, of which each rule sees this.
    pub(crate) fn seeing(self, rules: impl IntoIterator<Item = Sight>) -> Self {
        let rules: Vec<Sight> = rules.into_iter().collect();
        Self {
            config: Arc::new(config(rules.iter().map(Sight::rule).collect())),
            streaks: rules.into_iter().map(Sight::streak).collect(),
            ..self
        }
    }
}

/// What a policy with these rules asks.
pub(crate) fn config(rules: Vec<Rule>) -> Config {
    let minute = Span::from_secs(60);
    Config {
        rules,
        consecutive: 3,
        within: Span::from_secs(600),
        at_least: Span(0),
        resample: Some(Span::from_secs(30)),
        illegal_is_bad: true,
        open: Wait {
            minimum: minute,
            maximum: minute,
        },
        half_open: Probe {
            admit_percent: vec![10, 50],
            begin: Begin::Timer,
            settle: Span(0),
            successes: 3,
            timeout: minute,
        },
        flap: Flap {
            trips: 5,
            within: minute,
        },
    }
}

pub(crate) fn policy(
    circuits: impl IntoIterator<Item = (&'static str, CircuitView)>,
) -> PolicyView {
    PolicyView {
        uid: "p1".into(),
        kind: Some(storefront()),
        circuits: circuits
            .into_iter()
            .map(|(name, circuit)| (Arc::from(name), Arc::new(circuit)))
            .collect(),
        ..PolicyView::default()
    }
}

/// A synced view with one policy, shop/checkout.
pub(crate) fn view(policy: PolicyView) -> View {
    let mut view = View {
        synced: true,
        listed: [storefront()].into_iter().collect(),
        objects: policy.circuits.len(),
        ..View::default()
    };
    let key = (Arc::from("shop"), Arc::from("checkout"));
    view.policies.insert(key, Arc::new(policy));
    view
}

/// The same view, its watch unconfirmed for so many milliseconds before `now`.
pub(crate) fn unconfirmed(mut view: View, now: Mono, milliseconds: u64) -> View {
    view.unconfirmed
        .insert(storefront(), Mono(now.0 - milliseconds));
    view
}

pub(crate) fn state(view: View) -> ServeState {
    let clock = Clock::start();
    let metrics = Metrics::new();
    ServeState {
        view: Arc::new(ArcSwap::from_pointee(view)),
        clock,
        heartbeat: Heartbeat::start(clock.now().mono),
        access: Access {
            tokens: SharedTokens::default(),
            pace: Pace::new(0, &metrics),
        },
        counters: Counters::new(&metrics),
        notices: Notices::open(metrics.bound(Bound::GateNotices)).0,
        waiters: Waiters::new(watch::channel(()).1),
        bounds: Arc::new(Vec::new),
        skipped: Arc::new(Vec::new),
        desk: Desk {
            give: Arc::new(|_| std::future::ready(Ok(())).boxed()),
            list: Arc::new(|_| std::future::ready(Err("there is none".to_owned())).boxed()),
            ledger: Ledger::new(&metrics),
        },
        proxies: Arc::new(|_| Vec::new()),
        history: SharedHistory::default(),
        installation: Arc::new(Installation::default()),
        memory: watch::channel(Memory::default()).1,
        top: SharedTop::default(),
        metrics: Arc::new(move || metrics.encode()),
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// Asks the whole router.
pub(crate) async fn ask(router: Router, request: Request<Body>) -> Answer {
    let response = router
        .oneshot(request)
        .await
        .expect("the router is infallible");
    let content_type = response.headers().get(header::CONTENT_TYPE);
    Answer {
        status: response.status(),
        content_type: content_type
            .map_or("", |value| value.to_str().unwrap())
            .into(),
        body: {
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(bytes.to_vec()).unwrap()
        },
    }
}

pub(crate) async fn get(state: &ServeState, uri: &str) -> Answer {
    let request = Request::get(uri).body(Body::empty()).unwrap();
    ask(router(state.clone()), request).await
}

pub(crate) async fn post(state: &ServeState, uri: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap();
    ask(router(state.clone()), request).await
}

/// A server on a socket of its own, until it is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) state: ServeState,
    shutdown: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Serves a view.
pub(crate) async fn served(view: View) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (state, shutdown) = (state(view), CancellationToken::new());
    tokio::spawn(serve(listener, None, state.clone(), shutdown.clone()));
    Served {
        url,
        state,
        shutdown,
    }
}
