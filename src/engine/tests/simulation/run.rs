//! A run: one seed, from the start of three replicas through some faults to a calm end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};

use super::agenda::{Act, Agenda, Deed, Feed, Request, Sender, Time};
use super::dice::Dice;
use super::election::LEASE;
use super::envoys::Envoy;
use super::operator::{self, Operator};
use super::pager::Pager;
use super::replica::Replica;
use super::safeguards::Safeguards;
use super::store::{OBJECTS, Store, object};
use super::trace::Trace;
use crate::breaker::adopt::LEADER_LAG;
use crate::engine::tests::world::{CONTRACT, kind, yaml};
use crate::wire::event::{self, Event};

/// How long faults come, a few of them.
pub(super) const CHAOS: Time = 40_000;
/// From then on somebody leads, and no replica keeps open what it alone has judged: without a word from the leader it does
/// so for a minute. Every object reports for the last times.
const LAST: Time = CHAOS + LEADER_LAG.0 + 6_000;
const LAST_REPORTS: u64 = 8;
/// A second after the last report everything is as it should be.
const END: Time = LAST + (LAST_REPORTS - 1) * 1_500 + 1_000;

/// The longest that nobody leads while somebody could: a lease, and two looks at it.
const LEADERLESS: Time = LEASE + 2 * 2_000 + 1_500;

/// How far a clock is off, and how far if it is not corrected.
const TOLERATED: i64 = 29_000;
const HOUR: i64 = 3_600_000;

pub(super) struct Simulation {
    pub(super) at: Time,
    pub(super) dice: Dice,
    pub(super) agenda: Agenda,
    pub(super) store: Store,
    pub(super) replicas: Vec<Replica>,
    pub(super) envoys: [Envoy; 3],
    pub(super) pager: Pager,
    pub(super) operator: Operator,
    pub(super) spec: Arc<CircuitPolicySpec>,
    pub(super) contract: Arc<ConditionContractSpec>,
    pub(super) safeguards: Safeguards,
    pub(super) calm: bool,
    /// When the lease was taken or renewed last.
    pub(super) claimed_at: Time,
    pub(super) healthy_since: [Time; 3],
    /// Every trip that a status told of.
    pub(super) recorded: BTreeSet<String>,
    /// Every trip by which a leader shed, and until when that is promised.
    pub(super) promised: BTreeMap<String, Time>,
    /// All replicas crash soon after something more is shed.
    pub(super) outage_threatens: bool,
    breach: Option<String>,
    trace: Option<Trace>,
}

impl Simulation {
    /// One that is traced tells with a breach what happened until then.
    pub(super) fn new(seed: u64, safeguards: Safeguards, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let most = if safeguards.time { TOLERATED } else { HOUR };
        let skews: [i64; 3] = std::array::from_fn(|_| match dice.between(0, 9) {
            0 => most,
            1 => -most,
            _ => i64::try_from(dice.between(0, 100)).unwrap() - 50,
        });
        let mut simulation = Self {
            at: 0,
            dice,
            agenda: Agenda::default(),
            store: Store {
                objects: (0..OBJECTS.len())
                    .map(|index| object(index, 100, 0))
                    .collect(),
                ..Store::default()
            },
            replicas: (0..3)
                .map(|index| Replica::new(index, skews[index]))
                .collect(),
            envoys: Default::default(),
            pager: Pager::default(),
            operator: Operator::default(),
            spec: Arc::new(operator::spec()),
            contract: Arc::new(yaml(&CONTRACT.replace("mode: Auto", "mode: Off"))),
            safeguards,
            calm: false,
            claimed_at: 0,
            healthy_since: [0; 3],
            recorded: BTreeSet::new(),
            promised: BTreeMap::new(),
            outage_threatens: false,
            breach: None,
            trace: traced.then(Trace::default),
        };
        simulation.prepare();
        simulation
    }

    fn prepare(&mut self) {
        for replica in 0..3 {
            let when = self.dice.between(0, 300);
            self.agenda.enter(when, Act::Start(replica));
            self.agenda.enter(1_000, Act::Connect(replica));
        }
        for object in 0..OBJECTS.len() {
            let when = self.dice.between(2_000, 6_000);
            self.agenda.enter(when, Act::Report(object));
            for last in 0..LAST_REPORTS {
                self.agenda.enter(LAST + last * 1_500, Act::Report(object));
            }
        }
        let first = self.dice.between(3_000, 12_000);
        self.agenda.enter(first, Act::Fault);
    }

    /// Lives through all of it; what is broken first is the error.
    pub(super) fn run(mut self) -> Result<(), String> {
        while let Some((at, act)) = self.agenda.next() {
            if at > END {
                break;
            }
            self.at = at;
            if at >= CHAOS && !self.calm {
                self.calm_down();
            }
            if let Some(trace) = &mut self.trace {
                trace.note(at, &act);
            }
            self.happen(act);
            if let Some(trace) = &mut self.trace {
                trace.compare(&self.replicas, &self.store);
            }
            self.somebody_leads();
            if self.breach.is_some() {
                break;
            }
        }
        if self.breach.is_none() {
            self.judge();
        }
        let at = self.at;
        match self.breach.take() {
            None => Ok(()),
            Some(breach) => {
                let trace = self.trace.map_or_else(String::new, Trace::tell);
                Err(format!("after {at} ms: {breach}{trace}"))
            }
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.breach.get_or_insert(what);
    }

    fn happen(&mut self, act: Act) {
        match act {
            Act::Report(object) if self.at < CHAOS || self.at >= LAST => self.report(object),
            Act::Report(_) => {}
            Act::Fault => self.fault(),
            Act::Outage => self.outage(),
            Act::Start(replica) => self.start(replica),
            Act::Heal(replica) => self.heal(replica),
            Act::Thaw(replica) => self.thaw(replica),
            Act::Connect(envoy) => self.connect(envoy),
            Act::Request(sender, request) => match request {
                Request::ReadStatus { .. } | Request::WriteStatus { .. } => {
                    self.answer_status(sender, request);
                }
                _ => self.answer_lease(sender, &request),
            },
            Act::Event(event) => self.told(&event),
            Act::Alert(alert, skew) => self.alerted(&alert, skew),
            Act::Do(sender, deed) => {
                let replica = &self.replicas[sender.replica];
                if !replica.up || replica.incarnation != sender.incarnation {
                    return;
                }
                if replica.frozen_until > self.at {
                    self.replicas[sender.replica].postponed.push(deed);
                    return;
                }
                let resumes = replica.resumes[deed.class()];
                if resumes > self.at {
                    self.agenda.enter(resumes, Act::Do(sender, deed));
                    return;
                }
                self.perform(sender, deed);
            }
        }
    }

    fn perform(&mut self, sender: Sender, deed: Deed) {
        let by = sender.replica;
        match deed {
            Deed::Turn => self.turn(by),
            Deed::Release(number) => self.release(by, Some(number)),
            Deed::Configure(which) => self.configure(by, which),
            Deed::List(feed) => self.list(by, feed),
            Deed::Resume(feed) => self.resume(by, feed),
            Deed::Watched {
                feed,
                session,
                index,
            } => self.watched(by, feed, session, index),
            Deed::Confirm => {
                if self.replicas[by].watch(Feed::Objects).open {
                    self.hear(by, Event::Confirmed(event::Feed::Objects(kind())));
                }
                self.agenda
                    .enter(self.at + 5_000, Act::Do(sender, Deed::Confirm));
            }
            Deed::Interrupted => {
                let feed = event::Feed::Objects(kind());
                self.hear(by, Event::Interrupted(feed, "cut off".into()));
            }
            Deed::Elect => self.elect(by),
            Deed::Expire => self.expire(by),
            Deed::LeaseTimeout(round) => self.lease_timed_out(by, round),
            Deed::LeaseRead(round, lease) => self.lease_read(by, round, lease),
            Deed::LeaseWritten(round, version) => self.lease_written(by, round, version),
            Deed::Begin(beginning) => self.begin(by, beginning),
            Deed::Listed(beginning, status, position) => {
                self.statuses_listed(by, beginning, &status, position);
            }
            Deed::Write => self.write_again(by),
            Deed::StatusTimeout(attempt) => self.status_timed_out(by, attempt),
            Deed::StatusRead(attempt, version) => self.status_read(by, attempt, version),
            Deed::StatusWritten(attempt, version) => self.status_written(by, attempt, version),
            Deed::SendEvent(term, event) => self.send_event(by, term, event),
            Deed::Resend(term) => self.resend(by, term),
        }
    }

    /// How long a message takes.
    pub(super) fn delay(&mut self) -> Time {
        let most = if self.dice.percent(5) { 400 } else { 15 };
        self.dice.between(1, most)
    }

    pub(super) fn request(&mut self, by: usize, request: Request) {
        let sender = self.replicas[by].sender();
        if !self.replicas[by].cut {
            let when = self.at + self.delay();
            self.agenda.enter(when, Act::Request(sender, request));
        } else if self.dice.percent(50) {
            self.replicas[by].stuck.push(Act::Request(sender, request));
        }
    }

    pub(super) fn answer(&mut self, to: Sender, deed: Deed) {
        if !self.replicas[to.replica].cut {
            let when = self.at + self.delay();
            self.agenda.enter(when, Act::Do(to, deed));
        }
    }

    /// **Invariant**: somebody leads a lease after it could.
    fn somebody_leads(&mut self) {
        let at = self.at;
        let could = self.replicas.iter().any(|replica| {
            replica.up
                && !replica.cut
                && replica.frozen_until <= at
                && at - self.healthy_since[replica.index].min(at) > LEADERLESS
        });
        if could && at - self.claimed_at > LEADERLESS {
            self.breaks(format!("nobody has led since {}", self.claimed_at));
        }
    }
}
