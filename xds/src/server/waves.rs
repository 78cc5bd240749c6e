//! The waves: two stores, one for the canaries and one for the others, and who decides when the second follows the first.

mod listener;
mod sides;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::assign::{Assign, Assignment};
use crate::node::Node;
use crate::observer::Observer;
use crate::peer::Peer;
use crate::proxies::Proxies;
use crate::snapshot::Names;
use crate::store::{Changes, Update};
use crate::wave::{Cause, Resolve, Wave, WavePlan};
use listener::Listener;
use sides::Sides;

/// How many updates may wait to be taken up; past this, publishing waits.
const QUEUE: usize = 1_024;

/// Publishes in [waves](crate::wave): to the canaries first, and to the others once they have taken it.
///
/// A node is served from the store of its side, whenever it connects; so it is an [`Assign`].
/// While a wave is under way, a newer one joins it on the canaries, and what becomes of them decides for both.
/// An urgent update goes to all at once, and never waits for a wave.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use fusegate_xds::server::Waves;
/// use fusegate_xds::wave::{Resolve, WavePlan};
/// use fusegate_xds::{Config, Server, Update};
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run(clusters: Update, shed: Update) -> Result<(), Box<dyn std::error::Error>> {
/// let (waves, conductor) = Waves::new(WavePlan::default());
/// let server = Server::assigned(Arc::new(waves.clone()), Config::default(), waves.observer(Arc::new(())));
/// tokio::spawn(conductor.run(server.proxies(), CancellationToken::new()));
/// let ended = waves.publish(clusters).await?;
/// if ended.resolve == Resolve::Revert {
///     println!("the canaries have their last good version back: {:?}", ended.refusals);
/// }
/// waves.publish_urgent(shed).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Waves {
    sides: Arc<Sides>,
    orders: mpsc::Sender<Order>,
}

/// What is to be published.
struct Order {
    update: Update,
    urgent: bool,
    ended: oneshot::Sender<Ended>,
}

/// How a wave ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the change went to all, or was taken back.
    pub resolve: Resolve,
    /// Why.
    pub cause: Cause,
    /// How many canaries it concerned.
    pub asked: usize,
    /// How many of them had taken it.
    pub taken: usize,
    /// The first few refusals: the node's id, and why, in its own words.
    pub refusals: Vec<(String, String)>,
}

/// The conductor is gone, so that nothing is published any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waves are not conducted any more; run the conductor for as long as the server runs")]
pub struct NotConducted;

/// Carries waves out; it must be run for as long as the server runs.
#[must_use = "nothing is published until the conductor runs"]
pub struct Conductor {
    sides: Arc<Sides>,
    orders: mpsc::Receiver<Order>,
    current: Option<Current>,
    begun: Instant,
}

/// The wave that is under way.
struct Current {
    wave: Wave,
    /// What differs between the two sides.
    touched: Changes,
    /// The publication on the canaries' side.
    sequence: u64,
    ended: oneshot::Sender<Ended>,
}

impl Waves {
    /// Two empty stores, and the conductor of what goes from one to the other.
    pub fn new(plan: WavePlan) -> (Self, Conductor) {
        let sides = Arc::new(Sides {
            canaries: Arc::default(),
            others: Arc::default(),
            plan,
            heard: Notify::new(),
        });
        let (orders, receiver) = mpsc::channel(QUEUE);
        let conductor = Conductor {
            sides: Arc::clone(&sides),
            orders: receiver,
            current: None,
            begun: Instant::now(),
        };
        (Self { sides, orders }, conductor)
    }

    /// The observer for the server, which hears what decides waves and passes everything on to `inner`.
    pub fn observer(&self, inner: Arc<dyn Observer>) -> Arc<dyn Observer> {
        let sides = Arc::clone(&self.sides);
        Arc::new(Listener { sides, inner })
    }

    /// Publishes to the canaries, and to the others once they have taken it; returns when that is decided.
    ///
    /// Whoever does not want to wait drops the future once it was polled, or awaits it in a task: the wave goes on.
    pub async fn publish(&self, update: Update) -> Result<Ended, NotConducted> {
        self.order(update, false).await
    }

    /// Publishes to all at once, whatever wave is under way.
    pub async fn publish_urgent(&self, update: Update) -> Result<Ended, NotConducted> {
        self.order(update, true).await
    }

    async fn order(&self, update: Update, urgent: bool) -> Result<Ended, NotConducted> {
        let (ended, end) = oneshot::channel();
        let order = Order {
            update,
            urgent,
            ended,
        };
        self.orders.send(order).await.map_err(|_| NotConducted)?;
        end.await.map_err(|_| NotConducted)
    }
}

impl Assign for Waves {
    fn assign(&self, node: &Node, _: &Peer) -> Option<Assignment> {
        let sides = &self.sides;
        let store = if sides.plan.is_canary(&node.id) {
            &sides.canaries
        } else {
            &sides.others
        };
        Some(Arc::clone(store).into())
    }
}

impl Conductor {
    /// Conducts until `shutdown` is cancelled; `proxies` are those of the server.
    pub async fn run(mut self, proxies: Proxies, shutdown: CancellationToken) {
        loop {
            let deadline = self.current.as_ref().map(|current| current.wave.deadline());
            let deadline = self.begun + deadline.unwrap_or_default();
            tokio::select! {
                () = shutdown.cancelled() => {
                    self.end(Resolve::Revert, Cause::Shutdown, &proxies);
                    return;
                }
                order = self.orders.recv() => match order {
                    Some(order) => self.begin(order),
                    None => return,
                },
                () = self.sides.heard.notified(), if self.current.is_some() => {}
                () = sleep_until(deadline), if self.current.is_some() => {}
            }
            self.judge(&proxies);
        }
    }

    fn begin(&mut self, order: Order) {
        let Order {
            update,
            urgent,
            ended,
        } = order;
        let sides = &self.sides;
        if urgent {
            sides.canaries.publish(update.clone());
            sides.others.publish(update);
            tell(ended, Resolve::Proceed, Cause::Urgent);
            return;
        }
        let (published, mut touched) = sides.canaries.publish_and_list(&update);
        if touched.is_empty() && self.current.is_none() {
            tell(ended, Resolve::Proceed, Cause::Alone);
            return;
        }
        if let Some(before) = self.current.take() {
            merge(&mut touched, before.touched);
            tell(before.ended, Resolve::Proceed, Cause::Superseded);
        }
        let now = self.begun.elapsed();
        self.current = Some(Current {
            wave: Wave::new(sides.plan.clone(), now),
            touched,
            sequence: published.sequence,
            ended,
        });
    }

    fn judge(&mut self, proxies: &Proxies) {
        let Some(current) = &self.current else {
            return;
        };
        let (answers, _) = self
            .sides
            .answers(&current.touched, current.sequence, proxies);
        let now = self.begun.elapsed();
        if let Some((resolve, cause)) = current.wave.judge(&answers, now) {
            self.end(resolve, cause, proxies);
        }
    }

    /// Makes the two sides equal again.
    fn end(&mut self, resolve: Resolve, cause: Cause, proxies: &Proxies) {
        let Some(current) = self.current.take() else {
            return;
        };
        let (answers, refusals) = self
            .sides
            .answers(&current.touched, current.sequence, proxies);
        let (from, to) = match resolve {
            Resolve::Proceed => (&self.sides.canaries, &self.sides.others),
            Resolve::Revert => (&self.sides.others, &self.sides.canaries),
        };
        if cause != Cause::Shutdown {
            to.publish(Update::copying(&from.snapshot(), &current.touched));
        }
        let asked = answers.taken.len() + answers.waiting.len() + answers.refused.len();
        let ended = Ended {
            resolve,
            cause,
            asked,
            taken: answers.taken.len(),
            refusals,
        };
        tracing::info!(?ended, "a wave has ended");
        // Whoever published it may have gone.
        drop(current.ended.send(ended));
    }
}

/// Tells the publisher of a change that no canary was asked about.
fn tell(ended: oneshot::Sender<Ended>, resolve: Resolve, cause: Cause) {
    let told = ended.send(Ended {
        resolve,
        cause,
        asked: 0,
        taken: 0,
        refusals: Vec::new(),
    });
    // Whoever published it may have gone.
    drop(told);
}

/// Adds what an earlier wave touched.
fn merge(touched: &mut Changes, earlier: Changes) {
    for (type_url, before) in earlier {
        let names = match (touched.remove(&type_url), before) {
            (None, before) => before,
            (Some(Names::Some(now)), Names::Some(before)) => {
                let all: BTreeSet<Arc<str>> = now.iter().chain(before.iter()).cloned().collect();
                Names::Some(all.into_iter().collect())
            }
            _ => Names::All,
        };
        touched.insert(type_url, names);
    }
}
