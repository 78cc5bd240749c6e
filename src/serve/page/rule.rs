//! A rule: its test, as the page draws and says it.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use crate::breaker::config::{Config, Missing, Rule, Test};
use crate::breaker::time::Span;
use crate::serve::wire;
use crate::wire::view::PolicyView;

/// One rule of a policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    condition: String,
    /// Such as `above 250 ms, clear below 200 ms`.
    test: String,
    /// `above`, `below` or `other`.
    bad: &'static str,
    limit: Option<f64>,
    clear: Option<f64>,
    unit: &'static str,
    missing: &'static str,
    stale_after_seconds: Option<u64>,
}

/// The rules of a policy, once it is accepted.
pub(super) fn rules(policy: &PolicyView) -> Vec<Document> {
    let rules = policy.config.iter().flat_map(|config| &config.rules);
    let units = policy.units.iter().copied().chain(std::iter::repeat(""));
    rules
        .zip(units)
        .map(|(rule, unit)| Document::new(rule, unit))
        .collect()
}

/// What a trip takes, in words.
pub(super) fn takes(config: &Config) -> String {
    let span = |span: Span| match span.0 {
        millis if millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis if millis % 1_000 == 0 => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    };
    let mut text = format!(
        "{} Bad samples in a row within {}",
        config.consecutive,
        span(config.within)
    );
    if config.at_least.0 > 0 {
        let _ = write!(text, ", over at least {}", span(config.at_least));
    }
    if let Some(every) = config.resample {
        let _ = write!(
            text,
            "; a value that stands counts again every {}",
            span(every)
        );
    }
    text
}

impl Document {
    fn new(rule: &Rule, unit: &'static str) -> Self {
        let number = |number: f64| format!("{number}{unit}");
        let hysteresis = |side: &str, clear: Option<f64>| {
            clear.map_or_else(String::new, |clear| {
                format!(", clear {side} {}", number(clear))
            })
        };
        let (bad, limit, clear, test) = match &rule.test {
            Test::Above { limit, clear } => {
                let text = format!("above {}{}", number(*limit), hysteresis("below", *clear));
                ("above", Some(*limit), *clear, text)
            }
            Test::Below { limit, clear } => {
                let text = format!("below {}{}", number(*limit), hysteresis("above", *clear));
                ("below", Some(*limit), *clear, text)
            }
            Test::Equals(value) => (
                "other",
                None,
                None,
                format!("equal to {}", wire::value_text(value)),
            ),
            Test::NotEquals(value) => (
                "other",
                None,
                None,
                format!("not equal to {}", wire::value_text(value)),
            ),
            Test::In(values) => {
                let values: Vec<_> = values.iter().map(wire::value_text).collect();
                ("other", None, None, format!("one of {}", values.join(", ")))
            }
        };
        Self {
            condition: rule.condition.to_string(),
            test,
            bad,
            limit: limit.filter(|limit| limit.is_finite()),
            clear: clear.filter(|clear| clear.is_finite()),
            unit: unit.trim(),
            missing: match rule.missing {
                Missing::Unknown => "Unknown",
                Missing::Good => "Good",
                Missing::Bad => "Bad",
            },
            stale_after_seconds: rule.stale_after.map(wire::seconds),
        }
    }
}

/// A part of one of our API objects, as it would be written.
pub(super) fn plain(part: &impl Serialize) -> Json {
    serde_json::to_value(part).unwrap_or_default()
}
