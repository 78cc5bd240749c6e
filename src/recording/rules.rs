//! Rules of judgment that have changed, each with the number by which recordings know whether they were made before it.
//!
//! Whoever changes what is decided of the same events adds a rule here; its number goes into every recording from then on.

use serde_json::Value;

/// A rule of judgment that has changed.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Counts up from 1.
    pub number: u32,
    /// What holds now, as a sentence without its full stop.
    pub title: &'static str,
    /// Whether it explains a difference: the audit line of then and that of now, where there is one.
    explains: fn(Option<&Value>, Option<&Value>) -> bool,
}

/// What was said of fields that are judged no more.
const UNJUDGED: [&str; 8] = [
    "Kubernetes allows",
    "which is no time",
    "is there more than once",
    "as message",
    "as reason",
    "as observedGeneration",
    "limits.maxDepth",
    "limits.maxValueBytes",
];

/// Every change, oldest first.
pub const RULES: &[Rule] = &[
    Rule {
        number: 1,
        title: "what no rule judges makes nothing illegal: an entry's reason, message, times, generation and other fields may be there in any form, and of two entries of one type the one that changed last is judged",
        explains: |then, now| {
            was_rejected(then, now) && UNJUDGED.iter().any(|words| says(then, words))
        },
    },
    Rule {
        number: 2,
        title: "a status is read by the declared type: an Enum's own values, a Boolean in any case, a number's text",
        explains: |then, now| was_rejected(then, now) && says(then, "has status "),
    },
    Rule {
        number: 3,
        title: "the order of observations is that of arrival: a reporter's clock makes no report older, younger or void, and a value is stale by fusegate's clock only",
        explains: |then, now| {
            let opens =
                now.is_some_and(|now| now["action"] == "State" && now["operation"] == "Open");
            then.is_none() && opens && says(now, "in a row")
        },
    },
    Rule {
        number: 4,
        title: "after settling, a value that stands Bad reopens the circuit at the next level, and one that stands Good counts, however old",
        explains: |then, now| {
            says(now, "while probing")
                || says(then, "no evidence came")
                || says(now, "good samples")
        },
    },
    Rule {
        number: 5,
        title: "an undeclared entry of a map that carries a status in place of a value is ignored, unless the contract says unknownKeys: Reject",
        explains: |then, now| was_rejected(then, now) && says(then, "is not declared"),
    },
    Rule {
        number: 6,
        title: "a replica that does not lead believes a leader that saw the breach end, or has said nothing else for a minute, numbers trips as the leader does, and keeps published what the leader keeps",
        explains: |then, now| says(then, "the leader's word") || says(now, "the leader's word"),
    },
];

/// The number of the newest rule.
#[must_use]
pub fn newest() -> u32 {
    RULES.last().map_or(0, |rule| rule.number)
}

/// The rules that have changed since a recording was made that knew them up to a number.
pub fn since(known: u32) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| rule.number > known)
}

impl Rule {
    /// Whether it explains that an audit line of then is another one now, is gone, or is new.
    #[must_use]
    pub fn explains(&self, then: Option<&Value>, now: Option<&Value>) -> bool {
        (self.explains)(then, now)
    }
}

fn says(line: Option<&Value>, words: &str) -> bool {
    let reason = line.and_then(|line| line["reason"].as_str());
    reason.is_some_and(|reason| reason.contains(words))
}

/// Whether a report was illegal and is so no more, or by fewer words.
fn was_rejected(then: Option<&Value>, now: Option<&Value>) -> bool {
    let rejected = |line: &Value| line["action"] == "Map" && line["verdict"] == "Rejected";
    then.is_some_and(rejected) && now.is_some_and(|now| now["action"] == "Map")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_numbered_without_a_gap() {
        let numbers: Vec<u32> = RULES.iter().map(|rule| rule.number).collect();
        let expected: Vec<u32> = (1..=newest()).collect();
        assert_eq!(numbers, expected);
        assert_eq!(since(newest()).count(), 0);
        assert_eq!(since(0).count(), RULES.len());
    }

    fn map(verdict: &str, reason: &str) -> Value {
        json!({"action": "Map", "verdict": verdict, "reason": reason})
    }

    fn state(reason: &str) -> Value {
        json!({"action": "State", "operation": "Open", "reason": reason})
    }

    #[rstest]
    #[case::a_message(Some(map("Rejected", "key \"a\" has a number as message; write text")), Some(map("Published", "")), &[1])]
    #[case::a_status(Some(map("Rejected", "key \"a\" has status \"Degraded\"; write")), Some(map("Published", "")), &[2])]
    #[case::both(Some(map("Rejected", "a number as message; write text; has status \"true\"; write")), Some(map("Published", "")), &[1, 2])]
    #[case::a_trip_that_is_none_now(Some(state("3 illegal updates in a row")), None, &[])]
    #[case::a_breach_that_a_clock_hid(None, Some(state("a above 1, 3 times in a row, last 2")), &[3])]
    #[case::a_probe_that_timed_out(Some(state("no evidence came before halfOpen.timeout")), None, &[4])]
    #[case::a_standing_value(None, Some(state("a bad sample while probing: a above 1")), &[4])]
    #[case::an_undeclared_entry(Some(map("Rejected", "key \"b\" is not declared by contract c")), Some(map("Unpublished", "")), &[5])]
    #[case::a_word_of_the_leader(None, Some(json!({"action": "State", "operation": "Closed", "reason": "the leader's word"})), &[6])]
    #[case::nothing_of_the_kind(Some(map("Published", "")), Some(map("Frozen", "")), &[])]
    fn each_difference_has_its_rule(
        #[case] then: Option<Value>,
        #[case] now: Option<Value>,
        #[case] expected: &[u32],
    ) {
        let rules = RULES.iter();
        let rules = rules.filter(|rule| rule.explains(then.as_ref(), now.as_ref()));
        let numbers: Vec<u32> = rules.map(|rule| rule.number).collect();
        assert_eq!(numbers, expected);
    }
}
