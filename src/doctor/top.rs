//! The top: which objects and keys of a replica feed what grows, and whether one of them does so alone.

use crate::doctor::finding::{Finding, Severity};

/// An object that comes so often a second is written in a loop: every reporter that is known reports at most once in some seconds.
const OFTEN: f64 = 20.0;

/// An object of which so many bytes are read is a fifth of what etcd takes.
const LARGE: u64 = 300 << 10;

/// What is told of a replica: names and counts, the most first.
#[derive(Clone, Debug, Default)]
pub struct Top<'a> {
    /// For how many seconds writes and keys were counted.
    pub seconds: u64,
    /// Objects by writes.
    pub writes: Vec<(&'a str, u64)>,
    /// Objects by bytes.
    pub bytes: Vec<(&'a str, u64)>,
    /// Objects by entries.
    pub entries: Vec<(&'a str, u64)>,
    /// Keys that broke a contract.
    pub refused_keys: Vec<(&'a str, u64)>,
}

/// What stands out, and as notes what there is.
#[must_use]
pub fn top(about: &str, top: &Top<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    #[allow(clippy::cast_precision_loss, reason = "counts of some seconds")]
    let rate = |count: u64| count as f64 / top.seconds.max(1) as f64;
    for (name, count) in top.writes.iter().filter(|(_, count)| rate(*count) >= OFTEN) {
        let message = format!("{name} is written {:.0} times a second", rate(*count));
        found.push(Finding::new(Severity::Warning, "ObjectWrittenOften", about, message, "find its writer by managedFields (`kubectl get --show-managed-fields`): two that disagree, or a loop without a pause"));
    }
    for (name, bytes) in top.bytes.iter().filter(|(_, bytes)| *bytes >= LARGE) {
        let message = format!("{name} has {bytes} bytes that are read for its conditions");
        found.push(Finding::new(Severity::Warning, "ObjectLarge", about, message, "have its operator remove old entries; limits and unknownKeys of the contract say what counts"));
    }
    for (key, count) in top
        .refused_keys
        .iter()
        .filter(|(_, count)| rate(*count) >= 1.0)
    {
        let message = format!(
            "key \"{key}\" breaks its contract {:.0} times a second",
            rate(*count)
        );
        found.push(Finding::new(Severity::Warning, "KeyRefused", about, message, "the audit log names object and limit; mend the reporter, or declare the key as it is written"));
    }
    let notes = [
        ("MostWritten", &top.writes, "writes"),
        ("LargestObjects", &top.bytes, "bytes"),
        ("MostEntries", &top.entries, "entries"),
    ];
    for (code, items, unit) in notes {
        if !items.is_empty() {
            let first = items.iter().take(3);
            let each: Vec<String> = first
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            let message = format!("by {unit}: {}", each.join(", "));
            found.push(Finding::new(
                Severity::Note,
                code,
                about,
                message,
                "GET /v1/top has more of them",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::often(Top { writes: vec![("a", 400), ("b", 190)], ..Top::default() }, "ObjectWrittenOften", "a is written 40 times a second")]
    #[case::large(Top { bytes: vec![("a", 400_000), ("b", 100_000)], ..Top::default() }, "ObjectLarge", "a has 400000 bytes")]
    #[case::refused(Top { refused_keys: vec![("k", 30), ("l", 9)], ..Top::default() }, "KeyRefused", "key \"k\" breaks its contract 3 times a second")]
    fn what_stands_out_is_found_by_name(
        #[case] seen: Top<'_>,
        #[case] code: &str,
        #[case] says: &str,
    ) {
        let found = top(
            "it",
            &Top {
                seconds: 10,
                ..seen
            },
        );
        let mut counting = found
            .iter()
            .filter(|finding| finding.severity != Severity::Note);
        let finding = counting.next().unwrap();
        assert_eq!(finding.code, code);
        assert!(finding.message.starts_with(says), "{}", finding.message);
        assert!(counting.next().is_none());
    }

    #[test]
    fn what_is_usual_is_only_noted() {
        let seen = Top {
            seconds: 10,
            writes: vec![("a", 10)],
            bytes: vec![("b", 4_000), ("a", 900)],
            entries: vec![("b", 12)],
            refused_keys: vec![("k", 2)],
        };
        let found = top("it", &seen);
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["MostWritten", "LargestObjects", "MostEntries"]);
        assert!(
            found
                .iter()
                .all(|finding| finding.severity == Severity::Note)
        );
        assert_eq!(found[1].message, "by bytes: b 4000, a 900");
        assert_eq!(top("it", &Top::default()), []);
    }
}
