//! Fate: who may send, while a client may refuse on one stream what was sent on another.
//!
//! Some types are judged by a client all together, whichever stream each came on ([`TypeUrl::shares_fate`](crate::type_url::TypeUrl::shares_fate)):
//! while it keeps one that is bad, it refuses all others, and a refusal says nothing of what was refused.
//! So from a refusal on, and until nothing is in question any more, one response goes at a time over all streams of the client,
//! and none before all that went was answered.
//! What is taken then says that the client refuses nothing of what it has, and what is refused next is bad by itself.

mod stance;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use stance::{Floor, Stance, Word};

/// What the streams of one client share.
#[derive(Debug)]
pub(crate) struct Fate {
    /// How long one stream is waited for.
    patience: Duration,
    members: BTreeMap<u64, Member>,
    /// Something was refused, and not all that follows from it is done.
    in_question: bool,
    health: Health,
    /// The client may keep something bad that came on a stream which has ended.
    orphaned: bool,
    floor: Option<Holder>,
    /// Who had the floor last.
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
    /// `None` until it says so.
    stance: Option<Stance>,
    /// Since when it is waited for, if it is.
    since: Duration,
    word: Option<Word>,
    /// Something was refused on it since the client was last known to keep nothing bad.
    refused: bool,
}

/// The stream that has the floor.
#[derive(Debug)]
struct Holder {
    stream: u64,
    /// It has sent something.
    sent: bool,
}

impl Fate {
    /// That of a client without streams; one that says nothing, or whose client does not answer, is waited for for `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            members: BTreeMap::new(),
            in_question: false,
            health: Health::Well,
            orphaned: false,
            floor: None,
            last: 0,
            woken: Vec::new(),
        }
    }

    /// A stream of the client has subscribed to what shares its fate.
    pub(crate) fn join(&mut self, stream: u64, now: Duration) {
        if let Some(alone) = self.alone().filter(|_| self.in_question) {
            // Of all that is under way, everything is its own.
            self.give(alone, true, now);
        }
        self.members.insert(stream, Member::new(now));
    }

    /// The stream has ended; what was sent on it last may be kept by the client, and be bad.
    pub(crate) fn leave(&mut self, stream: u64, now: Duration) {
        let Some(member) = self.members.remove(&stream) else {
            return;
        };
        self.floor.take_if(|holder| holder.stream == stream);
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
    pub(crate) fn refused(&mut self, stream: u64, now: Duration) {
        self.health = Health::Ill;
        if let Some(member) = self.members.get_mut(&stream) {
            member.refused = true;
        }
        if !self.in_question {
            self.in_question = true;
            // It is the first to give something back: that it was heard of first makes it the likeliest one.
            self.last = stream.saturating_sub(1);
            self.ask_all(stream, now);
        }
    }

    /// The client has taken something on this stream; it counts if nothing else is under way, which only the floor makes sure of.
    pub(crate) fn taken(&mut self, stream: u64, now: Duration) {
        if self.floor(stream) != Floor::Taken && self.health != Health::Well {
            self.recover();
            // It knows, whatever was found out before.
            self.hear(stream);
            self.tell(Word::Mended, Some(stream), now);
        }
    }

    /// How a stream is: to be said before it sends, and after it has.
    pub(crate) fn report(&mut self, stream: u64, stance: Stance, now: Duration) {
        let alone = self.alone().is_some();
        let Some(member) = self.members.get_mut(&stream) else {
            return;
        };
        let held = self.floor.as_mut().filter(|floor| floor.stream == stream);
        let awaited = member.stance.is_some_and(|stance| stance.awaits);
        if stance.awaits && !awaited && held.is_none() {
            member.since = now;
        }
        member.stance = Some(stance);
        if let Some(holder) = held {
            let answered = holder.sent && !stance.awaits;
            holder.sent |= stance.awaits;
            if answered {
                self.floor = None;
            }
        }
        if alone {
            self.note_alone(stance);
        } else if self.in_question {
            self.advance(now);
        }
    }

    /// The stream has nothing to send, and gives the floor to the next.
    pub(crate) fn pass(&mut self, stream: u64, stance: Stance, now: Duration) {
        self.floor
            .take_if(|holder| holder.stream == stream && !stance.awaits);
        let stance = Stance {
            restoring: false,
            due: false,
            ..stance
        };
        self.report(stream, stance, now);
    }

    /// Whether it is this stream's turn to send.
    pub(crate) fn floor(&self, stream: u64) -> Floor {
        if !self.in_question || self.alone().is_some() {
            return Floor::Open;
        }
        let held = self.floor.as_ref().map(|holder| holder.stream);
        if held == Some(stream) {
            Floor::Ours
        } else {
            Floor::Taken
        }
    }

    /// What a stream is to know, once; it says how it is thereafter.
    pub(crate) fn hear(&mut self, stream: u64) -> Option<Word> {
        self.members.get_mut(&stream)?.word.take()
    }

    /// Whether the client may refuse what comes on this stream for what came on another.
    pub(crate) fn is_doubtful(&self, stream: u64) -> bool {
        let mut members = self.members.iter();
        let elsewhere = members.any(|(other, member)| member.refused && *other != stream);
        self.orphaned || elsewhere
    }

    /// Whether streams are to say how they are, and to ask who may send.
    pub(crate) fn is_in_question(&self) -> bool {
        self.in_question
    }

    /// Until when a stream is waited for; then any other is to say once more how it is.
    pub(crate) fn until(&self, now: Duration) -> Option<Duration> {
        if !self.in_question {
            return None;
        }
        let awaited = self.members.iter().filter(|(stream, member)| {
            let holds = self
                .floor
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

    /// One stream alone orders what it sends by itself; this is what another one that joins has to know.
    fn note_alone(&mut self, stance: Stance) {
        self.floor = None;
        self.in_question = stance.unsettled;
        if !stance.unsettled {
            self.recover();
        } else if stance.restoring {
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

    /// Every stream but `stream` is to say how it is; until then nothing is sent.
    fn ask_all(&mut self, stream: u64, now: Duration) {
        for (other, member) in &mut self.members {
            member.ask(now);
            if *other != stream {
                self.woken.push(*other);
            }
        }
    }

    /// Tells all to whom it matters, and asks how they are thereafter.
    fn tell(&mut self, word: Word, but: Option<u64>, now: Duration) {
        for (stream, member) in &mut self.members {
            let settled = member.stance.is_some_and(|stance| !stance.unsettled);
            if Some(*stream) == but || settled {
                continue;
            }
            member.word = Some(word);
            member.ask(now);
            self.woken.push(*stream);
        }
    }

    fn lose(&mut self, now: Duration) {
        self.health = Health::Lost;
        self.tell(Word::Lost, None, now);
    }

    /// Gives the floor to the next one, once nothing is under way.
    fn advance(&mut self, now: Duration) {
        self.take_back(now);
        if self.floor.is_some() || self.is_waiting(now) {
            return;
        }
        if self.health == Health::Ill {
            match self.next(|stance| stance.restoring) {
                Some(next) => return self.give(next, false, now),
                None => self.lose(now),
            }
            if self.is_waiting(now) {
                return;
            }
        }
        if let Some(next) = self.next(|stance| stance.due) {
            self.give(next, false, now);
        } else if self.members.values().all(Member::is_settled) {
            self.in_question = false;
            self.recover();
            self.woken.extend(self.members.keys());
        }
    }

    /// Takes the floor from one that has had it for too long.
    fn take_back(&mut self, now: Duration) {
        let Some(holder) = &self.floor else {
            return;
        };
        let member = self.members.get_mut(&holder.stream);
        if let Some(member) = member.filter(|member| member.since + self.patience <= now) {
            // Nothing is known of it any more.
            member.stance = member.stance.filter(|stance| stance.awaits);
            self.floor = None;
        }
    }

    /// Whether a stream has to say something first, or to be answered.
    fn is_waiting(&self, now: Duration) -> bool {
        let mut members = self.members.values();
        members.any(|member| !member.is_quiet() && now < member.since + self.patience)
    }

    /// The stream after the last one that had the floor, among those that want it.
    fn next(&self, wants: impl Fn(&Stance) -> bool) -> Option<u64> {
        let after = self.members.range(self.last.saturating_add(1)..);
        let mut all = after.chain(self.members.range(..=self.last));
        let next =
            all.find(|(_, member)| member.is_quiet() && member.stance.as_ref().is_some_and(&wants));
        next.map(|(stream, _)| *stream)
    }

    fn give(&mut self, stream: u64, sent: bool, now: Duration) {
        if let Some(member) = self.members.get_mut(&stream) {
            member.since = now;
        }
        self.last = stream;
        self.floor = Some(Holder { stream, sent });
        self.woken.push(stream);
    }
}

impl Member {
    fn new(now: Duration) -> Self {
        Self {
            stance: None,
            since: now,
            word: None,
            refused: false,
        }
    }

    /// It is to say how it is.
    fn ask(&mut self, now: Duration) {
        self.stance = None;
        self.since = now;
    }

    /// Whether it is known that nothing of it is under way.
    fn is_quiet(&self) -> bool {
        self.stance.is_some_and(|stance| !stance.awaits)
    }

    /// Whether nothing of it is in question.
    fn is_settled(&self) -> bool {
        self.stance.is_some_and(|stance| !stance.unsettled)
    }
}

#[cfg(test)]
mod tests;
