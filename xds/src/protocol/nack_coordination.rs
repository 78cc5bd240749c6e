//! NACK coordination: which stream of a client may send, while a NACK on one stream may be for something sent on another.
//!
//! A client judges the resources of some types together, whichever stream each came on ([`TypeUrl::is_judged_together`](crate::type_url::TypeUrl::is_judged_together)):
//! while it keeps a bad one it refuses all others, and a NACK says nothing of what was refused.
//! So from a NACK on, and until nothing is in question any more, one response goes at a time over all streams of the client,
//! and none before everything sent was answered.
//! If the client takes that response, it refuses nothing of what it has, and what it refuses next is bad by itself.

mod stream_state;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use stream_state::{Notice, SendPermit, StreamState};

/// Which stream of one client may send.
#[derive(Debug)]
pub(crate) struct NackCoordination {
    /// How long one stream is waited for.
    patience: Duration,
    members: BTreeMap<u64, Member>,
    /// Something was refused, and not all that follows from it is done.
    in_question: bool,
    health: Health,
    /// The client may keep something bad that came on a stream which has ended.
    orphaned: bool,
    permit: Option<PermitHolder>,
    /// The stream that had the permit last.
    last: u64,
    woken: Vec<u64>,
}

/// What is known of all that a client keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// It refuses none of it.
    Well,
    /// It may refuse some of it, which may be replaced.
    Ill,
    /// It may refuse some of it, and there is nothing more to be replaced.
    Lost,
}

/// One stream.
#[derive(Debug)]
struct Member {
    /// `None` until it is reported.
    state: Option<StreamState>,
    /// Since when it is waited for, if it is.
    since: Duration,
    notice: Option<Notice>,
    /// Something was refused on it since the client was last known to keep nothing bad.
    refused: bool,
}

/// The stream that has the permit.
#[derive(Debug)]
struct PermitHolder {
    stream: u64,
    /// It has sent something.
    sent: bool,
}

impl NackCoordination {
    /// The coordination of a client without streams; a stream that reports nothing, or is not answered, is waited for for `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            members: BTreeMap::new(),
            in_question: false,
            health: Health::Well,
            orphaned: false,
            permit: None,
            last: 0,
            woken: Vec::new(),
        }
    }

    /// A stream of the client has subscribed to what is judged together.
    pub(crate) fn join(&mut self, stream: u64, now: Duration) {
        if let Some(alone) = self.alone().filter(|_| self.in_question) {
            // Everything under way is its own.
            self.give(alone, true, now);
        }
        self.members.insert(stream, Member::new(now));
    }

    /// The stream has ended; what was sent on it last may be kept by the client, and be bad.
    pub(crate) fn leave(&mut self, stream: u64, now: Duration) {
        let Some(member) = self.members.remove(&stream) else {
            return;
        };
        self.permit.take_if(|holder| holder.stream == stream);
        let in_doubt = self.in_question && !member.is_quiet();
        if in_doubt {
            self.health = Health::Ill;
        }
        self.orphaned |= in_doubt || member.refused;
        if let Some(alone) = self.alone() {
            if in_doubt {
                self.lose(now);
            }
            self.woken.push(alone);
        } else if self.in_question {
            self.advance(now);
        }
    }

    /// The client has refused something on this stream.
    pub(crate) fn note_refused(&mut self, stream: u64, now: Duration) {
        self.health = Health::Ill;
        if let Some(member) = self.members.get_mut(&stream) {
            member.refused = true;
        }
        if !self.in_question {
            self.in_question = true;
            // It gives something back first: the stream with the first NACK most likely has the bad one.
            self.last = stream.saturating_sub(1);
            self.ask_all(stream, now);
        }
    }

    /// The client has taken something on this stream; that counts only if nothing else is under way, which the permit makes sure of.
    pub(crate) fn note_taken(&mut self, stream: u64, now: Duration) {
        if self.permit(stream) != SendPermit::Denied && self.health != Health::Well {
            self.recover();
            // The stream knows, whatever was found out before.
            self.take_notice(stream);
            self.tell(Notice::Mended, Some(stream), now);
        }
    }

    /// The state of a stream, to be reported before it sends and after it has sent.
    pub(crate) fn report(&mut self, stream: u64, state: StreamState, now: Duration) {
        let alone = self.alone().is_some();
        let Some(member) = self.members.get_mut(&stream) else {
            return;
        };
        let held = self
            .permit
            .as_mut()
            .filter(|holder| holder.stream == stream);
        let awaited = member.state.is_some_and(|state| state.awaits);
        if state.awaits && !awaited && held.is_none() {
            member.since = now;
        }
        member.state = Some(state);
        if let Some(holder) = held {
            let answered = holder.sent && !state.awaits;
            holder.sent |= state.awaits;
            if answered {
                self.permit = None;
            }
        }
        if alone {
            self.note_alone(state);
        } else if self.in_question {
            self.advance(now);
        }
    }

    /// The stream has nothing to send, and gives the permit to the next.
    pub(crate) fn pass_on(&mut self, stream: u64, state: StreamState, now: Duration) {
        self.permit
            .take_if(|holder| holder.stream == stream && !state.awaits);
        let state = StreamState {
            restoring: false,
            due: false,
            ..state
        };
        self.report(stream, state, now);
    }

    /// Whether it is this stream's turn to send.
    pub(crate) fn permit(&self, stream: u64) -> SendPermit {
        if !self.in_question || self.alone().is_some() {
            return SendPermit::Free;
        }
        let held = self.permit.as_ref().map(|holder| holder.stream);
        if held == Some(stream) {
            SendPermit::Granted
        } else {
            SendPermit::Denied
        }
    }

    /// What a stream is to know, once; it reports its state after that.
    pub(crate) fn take_notice(&mut self, stream: u64) -> Option<Notice> {
        self.members.get_mut(&stream)?.notice.take()
    }

    /// Whether the client may refuse what comes on this stream for what came on another.
    pub(crate) fn is_inconclusive(&self, stream: u64) -> bool {
        let mut members = self.members.iter();
        let elsewhere = members.any(|(other, member)| member.refused && *other != stream);
        self.orphaned || elsewhere
    }

    /// Whether streams are to report their state, and to ask who may send.
    pub(crate) fn is_in_question(&self) -> bool {
        self.in_question
    }

    /// Until when a stream is waited for; then any other is to report once more.
    pub(crate) fn until(&self, now: Duration) -> Option<Duration> {
        if !self.in_question {
            return None;
        }
        let awaited = self.members.iter().filter(|(stream, member)| {
            let holds = self
                .permit
                .as_ref()
                .is_some_and(|one| one.stream == **stream);
            holds || !member.is_quiet()
        });
        let ends = awaited.map(|(_, member)| member.since + self.patience);
        ends.filter(|end| *end > now).min()
    }

    /// The streams to which something happened since this was last called.
    pub(crate) fn take_woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }

    /// The one stream, if there is no other.
    fn alone(&self) -> Option<u64> {
        let mut streams = self.members.keys();
        let first = streams.next().copied();
        first.filter(|_| streams.next().is_none())
    }

    /// A single stream orders what it sends by itself; this is what another one that joins has to know.
    fn note_alone(&mut self, state: StreamState) {
        self.permit = None;
        self.in_question = state.unsettled;
        if !state.unsettled {
            self.recover();
        } else if state.restoring {
            self.health = Health::Ill;
        } else {
            self.health = Health::Lost;
        }
    }

    /// The client keeps nothing bad.
    fn recover(&mut self) {
        self.health = Health::Well;
        self.orphaned = false;
        for member in self.members.values_mut() {
            member.refused = false;
        }
    }

    /// Every stream except `stream` is to report its state; until then nothing is sent.
    fn ask_all(&mut self, stream: u64, now: Duration) {
        for (other, member) in &mut self.members {
            member.ask(now);
            if *other != stream {
                self.woken.push(*other);
            }
        }
    }

    /// Tells all streams to which it matters, and asks for their state after that.
    fn tell(&mut self, notice: Notice, but: Option<u64>, now: Duration) {
        for (stream, member) in &mut self.members {
            let settled = member.state.is_some_and(|state| !state.unsettled);
            if Some(*stream) == but || settled {
                continue;
            }
            member.notice = Some(notice);
            member.ask(now);
            self.woken.push(*stream);
        }
    }

    fn lose(&mut self, now: Duration) {
        self.health = Health::Lost;
        self.tell(Notice::Lost, None, now);
    }

    /// Gives the permit to the next stream, once nothing is under way.
    fn advance(&mut self, now: Duration) {
        self.take_back(now);
        if self.permit.is_some() || self.is_waiting(now) {
            return;
        }
        if self.health == Health::Ill {
            match self.next(|state| state.restoring) {
                Some(next) => return self.give(next, false, now),
                None => self.lose(now),
            }
            if self.is_waiting(now) {
                return;
            }
        }
        if let Some(next) = self.next(|state| state.due) {
            self.give(next, false, now);
        } else if self.members.values().all(Member::is_settled) {
            self.in_question = false;
            self.recover();
            self.woken.extend(self.members.keys());
        }
    }

    /// Takes the permit from a stream that has had it for too long.
    fn take_back(&mut self, now: Duration) {
        let Some(holder) = &self.permit else {
            return;
        };
        let member = self.members.get_mut(&holder.stream);
        if let Some(member) = member.filter(|member| member.since + self.patience <= now) {
            // Nothing is known of it any more.
            member.state = member.state.filter(|state| state.awaits);
            self.permit = None;
        }
    }

    /// Whether a stream has to report first, or to be answered.
    fn is_waiting(&self, now: Duration) -> bool {
        let mut members = self.members.values();
        members.any(|member| !member.is_quiet() && now < member.since + self.patience)
    }

    /// The stream after the last one that had the permit, among those that want it.
    fn next(&self, wants: impl Fn(&StreamState) -> bool) -> Option<u64> {
        let after = self.members.range(self.last.saturating_add(1)..);
        let mut all = after.chain(self.members.range(..=self.last));
        let next =
            all.find(|(_, member)| member.is_quiet() && member.state.as_ref().is_some_and(&wants));
        next.map(|(stream, _)| *stream)
    }

    fn give(&mut self, stream: u64, sent: bool, now: Duration) {
        if let Some(member) = self.members.get_mut(&stream) {
            member.since = now;
        }
        self.last = stream;
        self.permit = Some(PermitHolder { stream, sent });
        self.woken.push(stream);
    }
}

impl Member {
    fn new(now: Duration) -> Self {
        Self {
            state: None,
            since: now,
            notice: None,
            refused: false,
        }
    }

    /// It is to report its state.
    fn ask(&mut self, now: Duration) {
        self.state = None;
        self.since = now;
    }

    /// Whether it is known that nothing of it is under way.
    fn is_quiet(&self) -> bool {
        self.state.is_some_and(|state| !state.awaits)
    }

    /// Whether nothing of it is in question.
    fn is_settled(&self) -> bool {
        self.state.is_some_and(|state| !state.unsettled)
    }
}

#[cfg(test)]
mod tests;
