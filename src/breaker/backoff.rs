//! Backoff: how long Open lasts at each level, and how a level is lost again.

use crate::breaker::circuit::{Circuit, Identity};
use crate::breaker::config::Wait;
use crate::breaker::fingerprint;
use crate::breaker::time::{Mono, Span};

/// No level doubles the wait more often than a 64-bit number can.
const HIGHEST_LEVEL: u32 = 64;

/// The wait may differ from the doubled one by a part in this many.
const JITTER_PART: u64 = 10;

/// How long a circuit of this identity stays Open at `level`.
///
/// `minimum · 2^(level−1)`, at most `maximum`, give or take 10 %, so that circuits
/// which tripped together do not probe together. The jitter is hashed from identity and
/// level, so that replicas agree. It never goes below `minimum`, because 60 s is there for
/// a reason: an alert that resolves within Alertmanager's `group_wait` is never sent. It
/// never goes above `maximum` either, which is what the policy promises.
#[must_use]
pub fn wait(identity: Identity, wait: Wait, level: u32) -> Span {
    let Span(doubled) = doubled(wait, level);
    let swing = doubled / JITTER_PART;
    let longest = wait.maximum.0.max(wait.minimum.0);
    let low = doubled.saturating_sub(swing).max(wait.minimum.0);
    let high = doubled.saturating_add(swing).min(longest);
    let room = u128::from(high.saturating_sub(low)) + 1;
    let part = (u128::from(fingerprint::jitter(identity, level)) * room) >> 64;
    // Never nothing, so that a circuit can't open and half-open for ever within one moment.
    Span(low.saturating_add(u64::try_from(part).unwrap_or(0)).max(1))
}

/// The next level, but not beyond the first one that waits as long as any: time
/// spent at the maximum must not add to what later takes as long to decay.
pub(super) fn raised(wait: Wait, level: u32) -> u32 {
    if level > 0 && doubled(wait, level) >= wait.maximum {
        level
    } else {
        level.saturating_add(1).min(HIGHEST_LEVEL)
    }
}

/// A level brought down to the first one that waits as long as any.
pub(super) fn bounded(wait: Wait, level: u32) -> u32 {
    let level = level.min(HIGHEST_LEVEL);
    let mut levels = 1..level;
    levels
        .find(|lower| doubled(wait, *lower) >= wait.maximum)
        .unwrap_or(level)
}

/// When a Closed circuit loses a level, if it has one.
///
/// A level is lost after a healthy interval as long as the wait it stands for: who was
/// kept out for eight minutes has to behave for eight. This is the decay of Envoy's
/// outlier ejection, with the interval scaled to the penalty, because conditions come in
/// seconds to minutes, and a fixed short interval would forget a flapping service
/// between two of its trips. Time during which the watch was not confirmed is not known
/// to have been healthy.
pub(super) fn decays(circuit: &Circuit, wait: Wait, confirmed: Mono) -> Option<Mono> {
    let interval = Span(doubled(wait, circuit.past.level).0.max(1));
    (circuit.past.level > 0).then(|| circuit.past.level_since.max(confirmed) + interval)
}

fn doubled(wait: Wait, level: u32) -> Span {
    let factor = 1_u64
        .checked_shl(level.saturating_sub(1))
        .unwrap_or(u64::MAX);
    let doubled = wait.minimum.0.saturating_mul(factor);
    Span(doubled.min(wait.maximum.0).max(wait.minimum.0))
}
