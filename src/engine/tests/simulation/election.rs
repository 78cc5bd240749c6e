//! The election, after `runtime::leader`: the same waits, the same rules for whose lease may be taken.

use std::sync::Arc;

use super::agenda::{Act, Deed, Feed, Request, Sender, Status, Time};
use super::run::Simulation;
use super::store::LeaseCopy;
use crate::wire::event::{self, Event};

const RENEW: Time = 5_000;
const RETRY: Time = 2_000;
pub(super) const HELD: Time = 10_000;
pub(super) const LEASE: Time = 15_000;
const WITHIN: Time = 3_000;

/// When a list that has not come is asked for again.
const LIST_AGAIN: Time = 1_000;

impl Simulation {
    /// Begins a round: renews the lease that it holds, or looks at that of another.
    pub(super) fn elect(&mut self, by: usize) {
        let at = self.at;
        let election = &mut self.replicas[by].election;
        election.round += 1;
        election.asked = at;
        election.waiting = true;
        let round = election.round;
        let request = match election.held {
            Some((version, _)) => Request::WriteLease { round, version },
            None => Request::ReadLease { round },
        };
        let sender = self.replicas[by].sender();
        self.request(by, request);
        self.agenda
            .enter(at + WITHIN, Act::Do(sender, Deed::LeaseTimeout(round)));
    }

    pub(super) fn lease_timed_out(&mut self, by: usize, round: u32) {
        if self.is_current(by, round) {
            self.end_round(by, true);
        }
    }

    pub(super) fn lease_read(&mut self, by: usize, round: u32, lease: LeaseCopy) {
        if !self.is_current(by, round) {
            return;
        }
        let election = &mut self.replicas[by].election;
        let asked = election.asked;
        let since = match election.seen {
            Some((version, since)) if version == lease.version => since,
            _ => asked,
        };
        election.seen = Some((lease.version, since));
        let foreign = lease.holder.is_some_and(|holder| holder != by);
        if foreign && asked - since < LEASE {
            self.lose(by);
            self.end_round(by, false);
            return;
        }
        let version = lease.version;
        self.request(by, Request::WriteLease { round, version });
    }

    pub(super) fn lease_written(&mut self, by: usize, round: u32, version: Option<u64>) {
        if !self.is_current(by, round) {
            return;
        }
        let election = &mut self.replicas[by].election;
        let (asked, held) = (election.asked, election.held);
        match (version, held) {
            (Some(version), held) => {
                election.held = Some((version, asked));
                let sender = self.replicas[by].sender();
                self.agenda
                    .enter(asked + HELD, Act::Do(sender, Deed::Expire));
                if held.is_none() && self.safeguards.reads {
                    let election = &mut self.replicas[by].election;
                    election.begins = true;
                    election.beginning += 1;
                    let beginning = election.beginning;
                    self.begin(by, beginning);
                } else if held.is_none() {
                    self.tell(by, true);
                }
                self.end_round(by, false);
            }
            // Another has it, or it is gone: it is looked at.
            (None, Some(_)) => {
                self.lose(by);
                self.request(by, Request::ReadLease { round });
            }
            (None, None) => {
                self.lose(by);
                self.end_round(by, false);
            }
        }
    }

    /// Asks for the statuses as the leader before left them, until they are there.
    pub(super) fn begin(&mut self, by: usize, beginning: u32) {
        if self.is_beginning(by, beginning) {
            self.request(by, Request::List { beginning });
            let sender = self.replicas[by].sender();
            let again = self.at + LIST_AGAIN;
            self.agenda
                .enter(again, Act::Do(sender, Deed::Begin(beginning)));
        }
    }

    /// They come before the news that this one leads.
    pub(super) fn statuses_listed(
        &mut self,
        by: usize,
        beginning: u32,
        status: &Status,
        position: usize,
    ) {
        if !self.is_beginning(by, beginning) {
            return;
        }
        self.replicas[by].election.begins = false;
        self.goes_on_with(status);
        self.hear(by, Event::Listing(event::Feed::Policies));
        let policy = self.policy(Arc::clone(status));
        self.hear(by, policy);
        self.hear(by, Event::Listed(event::Feed::Policies));
        self.tell(by, true);
        let watch = self.replicas[by].watch(Feed::Policies);
        watch.open = false;
        watch.listed = true;
        watch.position = position;
        self.resume(by, Feed::Policies);
    }

    pub(super) fn expire(&mut self, by: usize) {
        let election = self.replicas[by].election;
        if election
            .held
            .is_some_and(|(_, asked)| self.at >= asked + HELD)
        {
            self.lose(by);
        }
    }

    /// Whether it has not renewed its lease in time, and looks at the clock.
    pub(super) fn has_lapsed(&self, by: usize) -> bool {
        self.safeguards.tenure && self.at >= self.replicas[by].tenure()
    }

    fn end_round(&mut self, by: usize, failed: bool) {
        let election = &mut self.replicas[by].election;
        election.waiting = false;
        election.failing = failed;
        let calm = election.held.is_some() && !failed;
        let pause = if calm { RENEW } else { RETRY };
        let jitter = self.dice.between(0, pause / 5);
        let sender = self.replicas[by].sender();
        self.agenda
            .enter(self.at + pause - jitter, Act::Do(sender, Deed::Elect));
    }

    fn lose(&mut self, by: usize) {
        let election = &mut self.replicas[by].election;
        election.begins = false;
        if election.held.take().is_some() {
            self.tell(by, false);
            if self.safeguards.reads {
                self.list(by, Feed::Policies);
            }
        }
    }

    fn tell(&mut self, by: usize, leads: bool) {
        self.hear(by, Event::Leading(leads));
    }

    fn is_beginning(&self, by: usize, beginning: u32) -> bool {
        let election = &self.replicas[by].election;
        election.begins && election.beginning == beginning
    }

    fn is_current(&self, by: usize, round: u32) -> bool {
        let election = &self.replicas[by].election;
        election.waiting && election.round == round
    }

    /// Answers a request about the lease.
    pub(super) fn answer_lease(&mut self, from: Sender, request: &Request) {
        let deed = match *request {
            Request::ReadLease { round } => Deed::LeaseRead(round, self.store.lease),
            Request::WriteLease { round, version } => {
                let claimed = self.store.claim(from.replica, version);
                if claimed.is_some() {
                    self.claimed_at = self.at;
                }
                Deed::LeaseWritten(round, claimed)
            }
            Request::List { beginning } => {
                let position = self.store.log.len();
                Deed::Listed(beginning, Arc::clone(&self.store.status), position)
            }
            Request::ReadStatus { .. } | Request::WriteStatus { .. } => return,
        };
        self.answer(from, deed);
    }
}
