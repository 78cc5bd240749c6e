//! What the fuzz targets of both protocol variants share: the words of a story, its publisher, and what every response must be.

pub mod delta;
pub mod publisher;
pub mod response;
pub mod sotw;

use arbitrary::Arbitrary;

/// Few names, so that things meet.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `a`
    A,
    /// `b`
    B,
    /// `c`
    C,
    /// Everything.
    All,
}

impl Name {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::All => "*",
        }
    }
}

/// Two types: one whose responses are complete, and one whose responses say what changed.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// LDS.
    Listener,
    /// RTDS.
    Runtime,
}

/// What a client says of the response that it has seen last.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has taken it.
    Ack,
    /// It refuses it.
    Nack,
    /// It answers one that nobody sent.
    Stray,
}

/// One step of a story.
#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    /// The publisher puts a resource in, takes it out where there is no letter.
    Publish(Kind, Name, Option<u8>),
    /// The publisher withholds a name, or releases it.
    Withhold(Kind, Name, bool),
    /// The client subscribes to names and unsubscribes from others.
    Ask(Kind, Vec<Name>, Vec<Name>),
    /// The client answers.
    Answer(Kind, Answer),
    /// The client reads what is due.
    Read,
    /// So many seconds pass.
    Wait(u8),
    /// The stream ends, and the client comes back with what it holds.
    Reconnect,
    /// A client on another stream sends these bytes.
    Garbage(Vec<u8>),
}

/// How many responses a stream may be owed at the most when nothing happens any more.
pub const REST: usize = 10_000;
