//! The writer of statuses, after `effects::delivery` and `effects::status`: the newest of the policy, one at a time.

use std::sync::Arc;

use super::agenda::{Act, Deed, Request, Sender, Time};
use super::run::Simulation;

const WITHIN: Time = 5_000;
const AGAIN: Time = 250;
const ROUNDS: u32 = 3;

impl Simulation {
    /// Begins to write what waits, if nothing is being written.
    pub(super) fn write(&mut self, by: usize) {
        let replica = &mut self.replicas[by];
        let (leads, term) = (replica.leads, replica.term);
        let writer = &mut replica.writer;
        if writer.flying.is_some() || writer.pausing {
            return;
        }
        let Some(status) = writer.waiting.take() else {
            return;
        };
        if !leads || writer.written.as_ref() == Some(&status) {
            return;
        }
        writer.flying = Some(status);
        writer.term = term;
        writer.attempt += 1;
        writer.rounds = ROUNDS;
        let (sender, attempt) = (replica.sender(), replica.writer.attempt);
        self.agenda.enter(
            self.at + WITHIN,
            Act::Do(sender, Deed::StatusTimeout(attempt)),
        );
        self.write_round(by);
    }

    pub(super) fn is_writing(&self, by: usize) -> bool {
        let writer = &self.replicas[by].writer;
        writer.flying.is_some() || writer.waiting.is_some()
    }

    fn write_round(&mut self, by: usize) {
        let lapsed = self.has_lapsed(by);
        let writer = &mut self.replicas[by].writer;
        let Some(status) = writer.flying.clone() else {
            return;
        };
        if writer.rounds == 0 || lapsed {
            self.write_failed(by);
            return;
        }
        writer.rounds -= 1;
        let attempt = writer.attempt;
        let known = writer.known.take();
        let request = match known {
            Some(version) => Request::WriteStatus {
                attempt,
                version: Some(version),
                status,
            },
            None => Request::ReadStatus { attempt },
        };
        self.request(by, request);
    }

    fn write_failed(&mut self, by: usize) {
        let replica = &mut self.replicas[by];
        let writer = &mut replica.writer;
        let flew = writer.flying.take();
        if replica.leads && writer.term == replica.term {
            writer.waiting = writer.waiting.take().or(flew);
            writer.pausing = true;
            let sender = replica.sender();
            self.agenda
                .enter(self.at + AGAIN, Act::Do(sender, Deed::Write));
        }
    }

    pub(super) fn write_again(&mut self, by: usize) {
        self.replicas[by].writer.pausing = false;
        self.write(by);
    }

    pub(super) fn status_timed_out(&mut self, by: usize, attempt: u32) {
        let writer = &self.replicas[by].writer;
        if writer.flying.is_some() && writer.attempt == attempt {
            self.write_failed(by);
        }
    }

    pub(super) fn status_read(&mut self, by: usize, attempt: u32, version: u64) {
        let writer = &self.replicas[by].writer;
        let Some(status) = writer.flying.clone().filter(|_| writer.attempt == attempt) else {
            return;
        };
        if self.has_lapsed(by) {
            self.write_failed(by);
            return;
        }
        let request = Request::WriteStatus {
            attempt,
            version: Some(version),
            status,
        };
        self.request(by, request);
    }

    pub(super) fn status_written(&mut self, by: usize, attempt: u32, version: Option<u64>) {
        let replica = &mut self.replicas[by];
        let (term, writer) = (replica.term, &mut replica.writer);
        if writer.attempt != attempt || writer.flying.is_none() {
            return;
        }
        let Some(version) = version else {
            self.write_round(by);
            return;
        };
        writer.known = Some(version);
        writer.written = writer.flying.take().filter(|_| writer.term == term);
        self.write(by);
        if !self.is_writing(by) {
            self.release(by, None);
        }
    }

    /// Answers a request about the policy's status.
    pub(super) fn answer_status(&mut self, from: Sender, request: Request) {
        match request {
            Request::ReadStatus { attempt } => {
                self.answer(from, Deed::StatusRead(attempt, self.store.version));
            }
            Request::WriteStatus {
                attempt,
                version,
                status,
            } => {
                let before = Arc::clone(&self.store.status);
                let logged = self.store.write(version, &status, self.safeguards);
                if let Some(index) = logged {
                    self.no_way_back(from.replica, &before, &status);
                    self.watch_brings(index);
                }
                let written = logged.map(|_| self.store.version);
                self.answer(from, Deed::StatusWritten(attempt, written));
            }
            _ => {}
        }
    }
}
