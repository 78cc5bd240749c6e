//! What happens between the steps of a conductor, where no client over a socket is quick enough.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{Order, Publisher};
use super::{Conductor, Ordered, Waves, oneshot};
use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::Scope;
use crate::protocol::testing::resource;
use crate::proxies::{Client, Proxies, Proxy, Transport};
use crate::snapshot::{InterestChange, Topic};
use crate::store::{Update, Wake};
use crate::sync::AtomicWaker;
use crate::type_url::TypeUrl;
use crate::wave::{Canaries, WavePlan};

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

    fn begin(&mut self) {
        let (ended, _) = oneshot::channel();
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
    }

    /// The canary goes, step by step as a stream does.
    fn leave(&self) {
        self.canary.leave();
        let interest = self.conductor.sides.canaries.interest();
        interest.note(&self.wake, &[InterestChange::Leave(topic())]);
        self.proxies.remove(self.wake.stream);
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
    stage.begin();
    stage.leave();
    assert!(stage.waits());
}

#[test]
fn a_canary_that_left_before_is_not() {
    let mut stage = Stage::new();
    stage.leave();
    stage.begin();
    assert!(!stage.waits());
}

#[test]
fn a_canary_that_has_taken_it_and_goes_has_taken_it() {
    let mut stage = Stage::new();
    stage.begin();
    assert!(stage.waits());
    assert!(stage.canary.catch_up(&[(TypeUrl::ENDPOINT, 1)]));
    stage.conductor.sides.note(&stage.canary);
    stage.leave();
    assert!(!stage.waits());
}
