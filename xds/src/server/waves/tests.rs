//! What happens between the steps of a conductor, where no client over a socket is quick enough.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{Order, Publisher};
use super::{Conductor, Ended, Ordered, Waves, oneshot};
use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::testing::resource;
use crate::protocol::{Scope, SyncStatus};
use crate::proxies::{Client, Proxies, Proxy, Transport};
use crate::snapshot::{InterestChange, Topic};
use crate::store::{Update, Wake};
use crate::sync::AtomicWaker;
use crate::type_url::TypeUrl;
use crate::wave::{Canaries, Cause, WavePlan};

struct Stage {
    conductor: Conductor,
    proxies: Proxies,
    wake: Arc<Wake>,
    canary: Arc<Proxy>,
}

fn topic() -> Topic {
    Topic::Name(TypeUrl::ENDPOINT, "a".into())
}

impl Stage {
    /// A conductor, and a canary that asks for one name.
    fn new() -> Self {
        let (_, conductor) = Waves::new(WavePlan {
            canaries: Canaries::percent(100),
            patience: Duration::from_mins(10),
            ..WavePlan::default()
        });
        let wake = Arc::new(Wake {
            stream: 1,
            waker: AtomicWaker::new(),
        });
        let proxies = Proxies::default();
        let canary = proxies.open(Client {
            stream: wake.stream,
            node: Node::default(),
            peer: Peer::default(),
            transport: Transport {
                delta: true,
                aggregated: true,
            },
            scope: Scope::everything(),
            connected: Instant::now().into_std(),
            track_names: 8,
        });
        let interest = conductor.sides.canaries.interest();
        interest.note(&wake, &[InterestChange::Join(topic())]);
        proxies.insert(&canary);
        Self {
            conductor,
            proxies,
            wake,
            canary,
        }
    }

    fn begin(&mut self) -> oneshot::Receiver<Ended> {
        let (ended, end) = oneshot::channel();
        let publisher = Publisher {
            ended,
            _place: None,
        };
        let update = Update::new().put(resource(&TypeUrl::ENDPOINT, "a", "1"));
        let order = Order { update, publisher };
        self.conductor.take(Ordered {
            order,
            urgent: false,
        });
        assert!(self.conductor.begin(&self.proxies));
        end
    }

    /// The canary goes, step by step as a stream does.
    fn leave(&self) {
        self.canary.leave();
        let interest = self.conductor.sides.canaries.interest();
        interest.note(&self.wake, &[InterestChange::Leave(topic())]);
        self.proxies.remove(self.wake.stream);
    }

    /// The canary has answered, and refuses these.
    fn answer(&self, refusing: &[&str]) {
        let refusing = refusing.iter().copied().map(Arc::from).collect();
        assert!(self.canary.catch_up(std::iter::once(SyncStatus {
            type_url: TypeUrl::ENDPOINT,
            caught_up: 1,
            refused: refusing,
            inconclusive: Vec::new(),
            withheld: 0,
        })));
        self.conductor.sides.note(&self.canary);
    }

    /// Whether the wave waits on.
    fn waits(&mut self) -> bool {
        self.conductor.judge(&self.proxies);
        self.conductor.current.is_some()
    }
}

#[test]
fn a_canary_that_is_gone_as_soon_as_it_is_sent_a_change_is_waited_for() {
    let mut stage = Stage::new();
    let _end = stage.begin();
    stage.leave();
    assert!(stage.waits());
}

#[test]
fn a_canary_that_left_before_is_not() {
    let mut stage = Stage::new();
    stage.leave();
    let _end = stage.begin();
    assert!(!stage.waits());
}

#[test]
fn a_canary_that_has_taken_it_and_goes_has_taken_it() {
    let mut stage = Stage::new();
    let _end = stage.begin();
    assert!(stage.waits());
    stage.answer(&[]);
    stage.leave();
    assert!(!stage.waits());
}

#[test]
fn a_canary_that_refused_it_before_and_is_not_sent_it_again_refuses_it() {
    let mut stage = Stage::new();
    let mut end = stage.begin();
    stage.answer(&["a"]);
    assert!(!stage.waits());
    assert_eq!(end.try_recv().unwrap().cause, Cause::Refused);
}

#[test]
fn a_canary_that_refuses_something_else_takes_it() {
    let mut stage = Stage::new();
    let mut end = stage.begin();
    stage.answer(&["b"]);
    assert!(!stage.waits());
    assert_eq!(end.try_recv().unwrap().cause, Cause::Quorum);
}
