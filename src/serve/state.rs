//! The state that handlers share: the view, the clock, the engine's heartbeat and the metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::breaker::time::Mono;
use crate::runtime::clock::Clock;
use crate::runtime::memory::pressure::Memory;
use crate::serve::access::terms::Access;
use crate::serve::alertmanager::desk::Desk;
use crate::serve::bounds::Bounds;
use crate::serve::counters::{Counters, Form};
use crate::serve::history::SharedHistory;
use crate::serve::installation::Installation;
use crate::serve::notice::Notices;
use crate::serve::proxies::Proxies;
use crate::serve::top::SharedTop;
use crate::serve::verdict::{Moment, Query, Verdict, elsewhere, verdict};
use crate::serve::waiters::Waiters;
use crate::wire::view::SharedView;

/// What every handler answers from. Cloning it is cheap.
#[derive(Clone)]
pub struct ServeState {
    /// All policies and circuits.
    pub view: SharedView,
    /// The time.
    pub clock: Clock,
    /// The engine's.
    pub heartbeat: Heartbeat,
    /// Who may ask, and how often.
    pub access: Access,
    /// What the HTTP side counts.
    pub counters: Counters,
    /// Where answers to release tools are noted.
    pub notices: Notices,
    /// Those who wait for a change.
    pub waiters: Waiters,
    /// What may grow, and how far it has.
    pub bounds: Bounds,
    /// The files of which something is not read, and why.
    pub skipped: Skipped,
    /// Where alerts of Alertmanager's are taken to.
    pub desk: Desk,
    /// The connected Envoys.
    pub proxies: Proxies,
    /// What circuits did, and what was done about their trips.
    pub history: SharedHistory,
    /// What this installation is.
    pub installation: Arc<Installation>,
    /// How near memory is to its limit.
    pub memory: watch::Receiver<Memory>,
    /// Which objects and keys feed what grows.
    pub top: SharedTop,
    /// Renders the registry as `OpenMetrics` text.
    pub metrics: MetricsText,
}

impl ServeState {
    /// The verdict as of now.
    pub(super) fn look(&self, query: &Query<'_>) -> Verdict {
        let share = &self.installation.share;
        if !share.has(query.namespace) {
            let owner = share.owner(query.namespace);
            return elsewhere(query, share.shard(), owner);
        }
        let moment = Moment {
            now: self.clock.now().mono,
            beat: self.heartbeat.last(),
        };
        verdict(&self.view.load(), moment, query)
    }

    /// The verdict as of now, counted.
    pub(super) fn verdict(&self, form: Form, query: &Query<'_>) -> Verdict {
        let verdict = self.look(query);
        self.counters.answered(form, verdict.state);
        verdict
    }
}

/// Lists skipped files, one line each.
pub type Skipped = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Renders all metrics; called once per scrape.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// When the engine's loop last came round. It is how a stalled engine shows: its view
/// would otherwise stand still and look healthy.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// A heart that beats for the first time now.
    #[must_use]
    pub fn start(now: Mono) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// The engine's loop came round.
    pub fn beat(&self, now: Mono) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// When it last did.
    #[must_use]
    pub fn last(&self) -> Mono {
        Mono(self.0.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for ServeState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServeState")
            .field("clock", &self.clock)
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}
