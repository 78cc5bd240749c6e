//! A span: one step of what became of a write, from when to when.

use std::fmt;
use std::time::Duration;

use crate::runtime::clock::Clock;
use crate::runtime::otlp::message::{self, AnyValue, ArrayValue, KeyValue};
use crate::runtime::sampler::TraceId;

/// Bits 0 and 1 of `flags`: sampled, and the trace id is random where that counts.
const FLAGS: u32 = 0b11;

/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

/// The id of a span.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub(super) u64);

/// A span that has ended. Its times are those of [`Clock::elapsed`].
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub id: SpanId,
    /// The span that it is part of.
    pub parent: Option<SpanId>,
    /// What was done.
    pub name: &'static str,
    /// How it is related to other programs.
    pub kind: Kind,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// What it was done to.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened meanwhile.
    pub events: Vec<(&'static str, Duration)>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How a span is related to other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not at all.
    Internal,
    /// Another program is waited for.
    Client,
    /// It begins with what another program wrote.
    Consumer,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Several texts.
    Texts(Vec<String>),
}

impl Span {
    pub(super) fn encoded(self, clock: Clock) -> message::Span {
        let attributes = self.attributes.into_iter();
        let events = self.events.into_iter().map(|(name, at)| message::Event {
            time_unix_nano: clock.unix_nanos(at),
            name: name.to_owned(),
        });
        message::Span {
            trace_id: self.trace.0.to_be_bytes().to_vec(),
            span_id: self.id.bytes(),
            parent_span_id: self.parent.map(SpanId::bytes).unwrap_or_default(),
            name: self.name.to_owned(),
            kind: match self.kind {
                Kind::Internal => 1,
                Kind::Client => 3,
                Kind::Consumer => 5,
            },
            start_time_unix_nano: clock.unix_nanos(self.start),
            end_time_unix_nano: clock.unix_nanos(self.end),
            attributes: attributes.map(|(key, value)| value.encoded(key)).collect(),
            events: events.collect(),
            status: self.error.map(|message| message::Status {
                message,
                code: ERROR,
            }),
            flags: FLAGS,
        }
    }
}

impl SpanId {
    fn bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}

impl Value {
    pub(super) fn encoded(self, key: &str) -> KeyValue {
        let text = |text| AnyValue {
            value: Some(message::Value::Text(text)),
        };
        let value = match self {
            Self::Text(one) => text(one),
            Self::Number(number) => AnyValue {
                value: Some(message::Value::Number(number)),
            },
            Self::Texts(several) => AnyValue {
                value: Some(message::Value::Texts(ArrayValue {
                    values: several.into_iter().map(text).collect(),
                })),
            },
        };
        KeyValue {
            key: key.to_owned(),
            value: Some(value),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
