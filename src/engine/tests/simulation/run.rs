//! A run: one seed, from the start of three replicas through some faults to a calm end.

use std::collections::BTreeSet;
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
use super::store::{Logged, OBJECTS, Store, object};
use crate::engine::tests::world::{CONTRACT, accepted, crd, crd_spec, kind, meta, yaml};
use crate::wire::event::{self, Change, Document, Event};

/// How long faults come, a few of them.
pub(super) const CHAOS: Time = 40_000;
/// From then on somebody leads, and every object reports for the last times.
const LAST: Time = CHAOS + 21_000;
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
    contract: Arc<ConditionContractSpec>,
    pub(super) safeguards: Safeguards,
    pub(super) calm: bool,
    /// When the lease was taken or renewed last.
    pub(super) claimed_at: Time,
    pub(super) healthy_since: [Time; 3],
    /// Every trip that a status told of.
    pub(super) recorded: BTreeSet<String>,
    /// Every trip by which a leader shed.
    pub(super) promised: BTreeSet<String>,
    breach: Option<String>,
    trace: Option<Vec<String>>,
}

impl Simulation {
    /// One that is traced tells its last acts with a breach.
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
                values: [(100, 0); OBJECTS.len()],
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
            promised: BTreeSet::new(),
            breach: None,
            trace: traced.then(Vec::new),
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
            self.note(&act);
            self.happen(act);
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
            Some(breach) => Err(format!("after {at} ms: {breach}{}", self.story())),
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.breach.get_or_insert(what);
    }

    fn note(&mut self, act: &Act) {
        let at = self.at;
        if let Some(trace) = &mut self.trace {
            let dull = matches!(
                act,
                Act::Do(
                    _,
                    Deed::Turn | Deed::Confirm | Deed::LeaseTimeout(_) | Deed::StatusTimeout(_)
                )
            );
            if !dull {
                let text: String = format!("{act:?}").chars().take(240).collect();
                trace.push(format!("{at} {text}"));
            }
        }
    }

    fn story(&self) -> String {
        let Some(trace) = &self.trace else {
            return String::new();
        };
        let last = trace.iter().rev().take(200).rev();
        last.fold("\n".to_owned(), |text, line| text + line + "\n")
    }

    fn happen(&mut self, act: Act) {
        match act {
            Act::Report(object) if self.at < CHAOS || self.at >= LAST => self.report(object),
            Act::Report(_) => {}
            Act::Fault => self.fault(),
            Act::Start(replica) => self.start(replica),
            Act::Heal(replica) => self.heal(replica),
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
                    let thaws = replica.frozen_until + replica.thaws[deed.class()];
                    self.healthy_since[sender.replica] = thaws;
                    self.agenda.enter(thaws, Act::Do(sender, deed));
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
            Deed::Listed(round, status, position) => {
                self.statuses_listed(by, round, &status, position);
            }
            Deed::Write => self.write_again(by),
            Deed::StatusTimeout(attempt) => self.status_timed_out(by, attempt),
            Deed::StatusRead(attempt, version) => self.status_read(by, attempt, version),
            Deed::StatusWritten(attempt, version) => self.status_written(by, attempt, version),
            Deed::SendEvent(term, event) => self.send_event(by, term, event),
            Deed::Resend(term) => self.resend(by, term),
        }
    }

    fn start(&mut self, which: usize) {
        if self.replicas[which].up {
            return;
        }
        self.replicas[which] = self.replicas[which].restarted();
        self.healthy_since[which] = self.at;
        let sender = self.replicas[which].sender();
        let mut arrange = |least, most, deed| {
            let when = self.at + self.dice.between(least, most);
            self.agenda.enter(when, Act::Do(sender, deed));
        };
        for feed in 0..3 {
            arrange(5, 150, Deed::Configure(feed));
        }
        arrange(5, 150, Deed::List(Feed::Policies));
        arrange(150, 400, Deed::List(Feed::Objects));
        arrange(5, 500, Deed::Elect);
        arrange(500, 5_000, Deed::Confirm);
        arrange(0, 30_000, Deed::Resend(0));
    }

    /// One of the feeds that never change.
    fn configure(&mut self, by: usize, which: u8) {
        if self.replicas[by].cut {
            let sender = self.replicas[by].sender();
            let deed = Deed::Configure(which);
            self.agenda.enter(self.at + 500, Act::Do(sender, deed));
            return;
        }
        match which {
            0 => {
                self.hear(
                    by,
                    Event::Contract(Change::Applied(Document {
                        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
                        spec: Ok(Arc::clone(&self.contract)),
                        status: Some(Arc::new(accepted())),
                    })),
                );
                self.hear(by, Event::Listed(event::Feed::Contracts));
            }
            1 => {
                self.hear(by, Event::Crd(Change::Applied(crd(crd_spec(50, true), 1))));
                self.hear(by, Event::Listed(event::Feed::Crds));
                self.hear(by, Event::Listed(event::Feed::Revisions));
            }
            _ => self.hear(by, Event::Listed(event::Feed::Overrides)),
        }
    }

    pub(super) fn list(&mut self, by: usize, feed: Feed) {
        if self.replicas[by].cut {
            let sender = self.replicas[by].sender();
            self.agenda
                .enter(self.at + 500, Act::Do(sender, Deed::List(feed)));
            return;
        }
        let (named, items) = match feed {
            Feed::Policies => {
                let policy = self.policy(self.store.status.clone());
                (event::Feed::Policies, vec![policy])
            }
            Feed::Objects => {
                let values = self.store.values.iter().enumerate();
                let objects = values.map(|(index, (value, version))| {
                    let object = object(index, *value, *version);
                    Event::Object(kind(), Change::Applied(object))
                });
                (event::Feed::Objects(kind()), objects.collect())
            }
        };
        self.hear(by, Event::Listing(named.clone()));
        for item in items {
            self.hear(by, item);
        }
        self.hear(by, Event::Listed(named.clone()));
        self.hear(by, Event::Confirmed(named));
        self.reopen(by, feed);
    }

    pub(super) fn resume(&mut self, by: usize, feed: Feed) {
        if self.replicas[by].cut || self.replicas[by].watch(feed).open {
            return;
        }
        let position = self.replicas[by].watch(feed).position;
        let missed: Vec<Logged> = self.store.log[position..].to_vec();
        for logged in missed.into_iter().filter(|logged| logged.feed() == feed) {
            let event = self.brought(logged);
            self.hear(by, event);
        }
        if feed == Feed::Objects {
            self.hear(by, Event::Confirmed(event::Feed::Objects(kind())));
        }
        self.reopen(by, feed);
    }

    fn reopen(&mut self, by: usize, feed: Feed) {
        let (at, newest) = (self.at, self.store.log.len());
        let watch = self.replicas[by].watch(feed);
        watch.open = true;
        watch.session += 1;
        watch.position = newest;
        watch.last = at;
    }

    /// Brings a change to everybody who watches.
    pub(super) fn watch_brings(&mut self, index: usize) {
        let feed = self.store.log[index].feed();
        for by in 0..self.replicas.len() {
            let when = self.at + self.delay();
            let replica = &mut self.replicas[by];
            let sender = replica.sender();
            let watch = replica.watch(feed);
            if !watch.open {
                continue;
            }
            watch.last = watch.last.max(when);
            let session = watch.session;
            let deed = Deed::Watched {
                feed,
                session,
                index,
            };
            self.agenda.enter(watch.last, Act::Do(sender, deed));
        }
    }

    fn watched(&mut self, by: usize, feed: Feed, session: u32, index: usize) {
        let watch = self.replicas[by].watch(feed);
        if watch.open && watch.session == session {
            watch.position = index + 1;
            let logged = self.store.log[index].clone();
            let event = self.brought(logged);
            self.hear(by, event);
        }
    }

    /// How long a message takes.
    pub(super) fn delay(&mut self) -> Time {
        let most = if self.dice.percent(5) { 400 } else { 15 };
        self.dice.between(1, most)
    }

    pub(super) fn request(&mut self, by: usize, request: Request) {
        if !self.replicas[by].cut {
            let when = self.at + self.delay();
            let sender = self.replicas[by].sender();
            self.agenda.enter(when, Act::Request(sender, request));
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

    fn brought(&self, logged: Logged) -> Event {
        match logged {
            Logged::Status(status) => self.policy(status),
            Logged::Value(index, value, version) => {
                Event::Object(kind(), Change::Applied(object(index, value, version)))
            }
        }
    }
}
