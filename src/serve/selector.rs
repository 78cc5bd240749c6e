//! A selector: objects by label, in the short form that `kubectl -l` takes, sets apart.

use crate::wire::labels::Labels;

/// Requirements that an object's labels must all meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Is(Box<str>, Box<str>),
    IsNot(Box<str>, Box<str>),
    Exists(Box<str>),
    Lacks(Box<str>),
}

impl Selector {
    /// Reads `key=value`, `key!=value`, `key` and `!key`, separated by commas; `None` if it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let requirements = text.split(',').map(|part| requirement(part.trim()));
        requirements.collect::<Option<_>>().map(Self)
    }

    /// Whether an object with these labels is meant.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Is(key, value) => labels.get(key) == Some(value),
            Requirement::IsNot(key, value) => labels.get(key) != Some(value),
            Requirement::Exists(key) => labels.get(key).is_some(),
            Requirement::Lacks(key) => labels.get(key).is_none(),
        })
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    if let Some(key) = text.strip_prefix('!') {
        return Some(Requirement::Lacks(word(key)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Requirement::IsNot(word(key)?, label_value(value)?));
    }
    match text.split_once('=') {
        // `==` is another way to write `=`.
        Some((key, value)) => {
            let value = value.strip_prefix('=').unwrap_or(value);
            Some(Requirement::Is(word(key)?, label_value(value)?))
        }
        None => Some(Requirement::Exists(word(text)?)),
    }
}

fn word(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    (!text.is_empty()).then(|| label_value(text)).flatten()
}

fn label_value(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.chars().all(allowed).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("tier=gold", true)]
    #[case("tier==gold", true)]
    #[case("tier=silver", false)]
    #[case("tier!=silver, example.com/zone=eu-1", true)]
    #[case("tier", true)]
    #[case("!tier", false)]
    #[case("tier=gold,!canary", true)]
    #[case("canary!=yes", true)]
    fn an_object_must_meet_every_requirement(#[case] text: &str, #[case] expected: bool) {
        let labels = [("tier", "gold"), ("example.com/zone", "eu-1")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (labels, _) = Labels::of(&BTreeMap::from(labels));
        assert_eq!(Selector::parse(text).unwrap().matches(&labels), expected);
    }

    #[rstest]
    #[case("")]
    #[case("tier in (gold)")]
    #[case("=gold")]
    #[case("tier=gold,")]
    fn what_is_no_selector_is_refused(#[case] text: &str) {
        assert_eq!(Selector::parse(text), None);
    }
}
