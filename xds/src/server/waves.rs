//! The waves: two stores, one for the canaries and one for the others, and who decides when the second follows the first.

mod ballot;
mod ended;
mod listener;
mod queue;
mod sides;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use ended::{Ended, NotConducted};

use super::assign::{Assign, Assignment};
use crate::node::Node;
use crate::observer::Observer;
use crate::peer::Peer;
use crate::proxies::Proxies;
use crate::store::Update;
use crate::wave::{Answers, Cause, Resolve, Wave, WavePlan};
use ballot::Ballot;
use listener::Listener;
use queue::{Batch, Order, Publisher, Queue};
use sides::Sides;

/// How many updates may wait for a wave; past this, publishing them waits before they are ordered.
///
/// Urgent ones need no room: they are taken up at once.
const QUEUE: usize = 1_024;

/// Publishes in [waves](crate::wave): to the canaries first, and to the others once they have taken it.
///
/// A node is served from the store of its side, whenever it connects; so it is an [`Assign`].
/// Updates that come while a wave is under way wait for its end, and are then tried together.
/// Where canaries refuse that, each of them is tried in a wave of its own, in the order in which they were published, so that only those go back that were refused.
/// An urgent update goes to all at once, and never waits for a wave; what waited and was published earlier does not undo it.
///
/// A canary has taken a change when it has answered for all that it was sent, and a refusal counts where what it refused
/// was in the response as it is tried; what it refuses together with other changes it refuses, unless it has taken it before,
/// and offers of a [bisecting](crate::bisect) search don't count.
/// Where it refuses what is tried for something else that it keeps ([`Observer::inconclusive_nack`]), it is waited for until it was asked again.
/// What a canary refused before and is not sent again, because for it nothing has changed, it refuses still.
/// Canaries are counted by the ids of their nodes: one that goes without having answered is waited for until it is back,
/// so that a change which kills its canaries does not pass. Two clients of one id are one canary, and may cover for each other.
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
    orders: mpsc::Sender<Ordered>,
    room: Arc<Semaphore>,
}

/// An update, and how it is to be published.
struct Ordered {
    order: Order,
    urgent: bool,
}

/// Carries waves out; it must be run for as long as the server runs.
#[must_use = "nothing is published until the conductor runs"]
pub struct Conductor {
    sides: Arc<Sides>,
    orders: mpsc::Receiver<Ordered>,
    current: Option<Current>,
    /// What came meanwhile.
    queue: Queue,
    begun: Instant,
}

/// The wave that is under way.
struct Current {
    wave: Wave,
    ballot: Arc<Ballot>,
    batch: Batch,
}

impl Waves {
    /// Two empty stores, and the conductor of what goes from one to the other.
    pub fn new(plan: WavePlan) -> (Self, Conductor) {
        let sides = Arc::new(Sides {
            canaries: Arc::default(),
            others: Arc::default(),
            plan,
            ballot: ArcSwapOption::empty(),
            heard: Notify::new(),
        });
        let (orders, receiver) = mpsc::channel(QUEUE);
        let conductor = Conductor {
            sides: Arc::clone(&sides),
            orders: receiver,
            current: None,
            queue: Queue::default(),
            begun: Instant::now(),
        };
        let room = Arc::new(Semaphore::new(QUEUE));
        let waves = Self {
            sides,
            orders,
            room,
        };
        (waves, conductor)
    }

    /// The observer for the server, which hears what decides waves and passes everything on to `inner`.
    pub fn observer(&self, inner: Arc<dyn Observer>) -> Arc<dyn Observer> {
        let sides = Arc::clone(&self.sides);
        Arc::new(Listener { sides, inner })
    }

    /// Publishes to the canaries, and to the others once they have taken it; returns when that is decided.
    ///
    /// It waits for the wave that is under way, and for its own.
    /// Whoever does not want to wait awaits it in a task: once it was taken up, the wave goes on without its publisher.
    pub async fn publish(&self, update: Update) -> Result<Ended, NotConducted> {
        let room = Arc::clone(&self.room);
        let place = room.acquire_owned().await.map_err(|_| NotConducted)?;
        self.order(update, Some(place)).await
    }

    /// Publishes to all at once, whatever wave is under way.
    pub async fn publish_urgent(&self, update: Update) -> Result<Ended, NotConducted> {
        self.order(update, None).await
    }

    async fn order(
        &self,
        update: Update,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Ended, NotConducted> {
        let (ended, end) = oneshot::channel();
        let urgent = place.is_none();
        let publisher = Publisher {
            ended,
            _place: place,
        };
        let order = Order { update, publisher };
        let ordered = Ordered { order, urgent };
        self.orders.send(ordered).await.map_err(|_| NotConducted)?;
        end.await.map_err(|_| NotConducted)
    }
}

impl Assign for Waves {
    fn assign(&self, node: &Node, _: &Peer) -> Option<Assignment> {
        let sides = &self.sides;
        let store = if sides.plan.canaries.includes(node) {
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
                    self.shut_down(&proxies);
                    return;
                }
                order = self.orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                () = self.sides.heard.notified(), if self.current.is_some() => {}
                () = sleep_until(deadline), if self.current.is_some() => {}
            }
            self.judge(&proxies);
            while self.current.is_none() && self.begin(&proxies) {
                self.judge(&proxies);
            }
        }
    }

    fn shut_down(&mut self, proxies: &Proxies) {
        if let Some(current) = &self.current {
            let answers = self.sides.answers(&current.ballot, proxies);
            self.end(Resolve::Revert, Cause::Shutdown, &answers);
        }
    }

    fn take(&mut self, Ordered { order, urgent }: Ordered) {
        if !urgent {
            self.queue.push(order);
            return;
        }
        self.sides.canaries.publish(order.update.clone());
        self.sides.others.publish(order.update.clone());
        self.queue.overtake(&order.update);
        order.publisher.tell(Ended::untried(Cause::Urgent));
    }

    /// Begins the next wave; false if nothing waits.
    fn begin(&mut self, proxies: &Proxies) -> bool {
        let sides = &self.sides;
        let Some((update, batch)) = self.queue.next(&sides.others.snapshot()) else {
            return false;
        };
        let (tried, touched) = sides.canaries.preview(&update);
        if touched.is_empty() {
            batch.tell(&Ended::untried(Cause::Alone));
            return true;
        }
        // It is there before the first client can answer, and lists all who are before the first can be gone of it.
        let ballot = Arc::new(Ballot::new(touched, tried));
        sides.ballot.store(Some(Arc::clone(&ballot)));
        sides.enter_all(&ballot, proxies);
        sides.canaries.publish(update);
        self.current = Some(Current {
            wave: Wave::new(sides.plan.clone(), self.begun.elapsed()),
            ballot,
            batch,
        });
        true
    }

    fn judge(&mut self, proxies: &Proxies) {
        let Some(current) = &self.current else {
            return;
        };
        let answers = self.sides.answers(&current.ballot, proxies);
        let now = self.begun.elapsed();
        if let Some((resolve, cause)) = current.wave.judge(&answers, now) {
            self.end(resolve, cause, &answers);
        }
    }

    /// Makes the two sides equal again.
    fn end(&mut self, resolve: Resolve, cause: Cause, answers: &Answers) {
        let Some(Current { ballot, batch, .. }) = self.current.take() else {
            return;
        };
        let (from, to) = match resolve {
            Resolve::Proceed => (&self.sides.canaries, &self.sides.others),
            Resolve::Revert => (&self.sides.others, &self.sides.canaries),
        };
        self.sides.ballot.store(None);
        if cause != Cause::Shutdown {
            to.publish(Update::copying(&from.snapshot(), &ballot.touched));
        }
        let asked = answers.taken.len() + answers.waiting.len() + answers.refused.len();
        let ended = Ended {
            resolve,
            cause,
            asked,
            taken: answers.taken.len(),
            refusals: ballot.refusals(),
        };
        tracing::info!(updates = batch.len(), ?ended, "a wave has ended");
        if cause == Cause::Refused && batch.len() > 1 {
            self.queue.take_back(batch);
        } else {
            batch.tell(&ended);
        }
    }
}

#[cfg(test)]
mod tests;
