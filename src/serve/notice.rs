//! A notice: one answer of a gate to a release tool, for those who have to find out later why a rollout waits.
//!
//! Handlers leave it in a bounded queue and go on; whoever reads the queue decides what of it is told, and where.

pub mod ledger;

use axum::http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use crate::breaker::circuit::TripId;
use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::verdict::{Query, Verdict};

/// The most notices that wait to be read. Past it they are dropped and counted: an answer is never delayed by its telling.
pub const MOST_NOTICES: usize = 1_024;

/// The most characters of a name that somebody else wrote.
const MAX_NAME: usize = 253;

/// One answer.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The form in which was asked.
    pub form: Form,
    /// The hook, as Flagger calls it; `verdict` for Argo Rollouts.
    pub hook: &'static str,
    /// Who asked, where that was said.
    pub asker: Option<Asker>,
    /// The namespace asked about; the asker's, until a policy is known.
    pub namespace: String,
    /// The policy asked about, where one was named.
    pub policy: Option<String>,
    /// What was answered.
    pub answer: Answer,
    /// The trip that decides.
    pub trip: Option<TripId>,
    /// What was said.
    pub reason: String,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asker {
    /// `Canary` or `Rollout`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What an answer makes a release tool do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It goes on.
    Passes,
    /// It waits, or counts a failure.
    Refuses,
    /// The question is mistaken, and nothing passes.
    Mistake,
    /// It rolls back.
    RollsBack,
}

impl Answer {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Refuses => "refuses",
            Self::Mistake => "mistake",
            Self::RollsBack => "rolls_back",
        }
    }
}

impl Asker {
    /// A Canary of Flagger's.
    #[must_use]
    pub fn canary(namespace: &str, name: &str) -> Self {
        Self::new("Canary", namespace, name)
    }

    /// A Rollout of Argo's.
    #[must_use]
    pub fn rollout(namespace: &str, name: &str) -> Self {
        Self::new("Rollout", namespace, name)
    }

    fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        let cut = |text: &str| text.chars().take(MAX_NAME).collect();
        Self {
            kind,
            namespace: cut(namespace),
            name: cut(name),
        }
    }
}

impl Notice {
    pub(super) fn new(form: Form, hook: &'static str) -> Self {
        Self {
            form,
            hook,
            asker: None,
            namespace: String::new(),
            policy: None,
            answer: Answer::Passes,
            trip: None,
            reason: String::new(),
        }
    }

    /// Records which policy is asked about, also when the rest of the question can't be read.
    pub(super) fn about(&mut self, namespace: &str, policy: &str) {
        namespace.clone_into(&mut self.namespace);
        self.policy = Some(policy.chars().take(MAX_NAME).collect());
    }

    /// Records what was asked, and what the verdict on it says.
    pub(super) fn judged(&mut self, query: &Query<'_>, verdict: &Verdict) {
        let deciding = verdict.deciding.as_ref();
        self.about(query.namespace, query.policy);
        self.trip = deciding.and_then(|deciding| deciding.circuit.trip);
        self.reason.clone_from(&verdict.reason);
        if verdict.mistake {
            self.answer = Answer::Mistake;
        }
    }

    /// Records that the question can't be read. All of that is 400.
    pub(super) fn mistaken(&mut self, mistake: &BadRequest) -> StatusCode {
        self.answer = Answer::Mistake;
        self.reason = mistake.to_string();
        StatusCode::BAD_REQUEST
    }
}

/// Where handlers leave notices.
#[derive(Clone, Debug)]
pub struct Notices {
    queue: mpsc::Sender<Notice>,
    dropped: Counter,
}

impl Notices {
    /// A queue, and its other end. `dropped` counts what finds no room.
    #[must_use]
    pub fn open(dropped: Counter) -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(MOST_NOTICES);
        (Self { queue, dropped }, notices)
    }

    /// Leaves a notice, if there is room for it.
    pub(super) fn tell(&self, notice: Notice) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(notice) {
            self.dropped.inc();
        }
    }
}
