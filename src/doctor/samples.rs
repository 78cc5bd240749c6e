//! Samples: what a replica measured, read from the text that Prometheus scrapes.

use std::collections::BTreeMap;

/// What was measured at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<Sample>);

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Why a text can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A line is no sample.
    #[error("line {line} is no sample of a metric: {text}; give what GET /metrics answers")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// These are somebody else's.
    #[error(
        "this is not what fusegate measures: fusegate_build_info is missing; give what GET /metrics answers"
    )]
    Foreign,
}

impl Samples {
    /// Reads the Prometheus or `OpenMetrics` text format.
    ///
    /// # Errors
    ///
    /// When a line is no sample, or fusegate's are not among them.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let lines = text.lines().enumerate();
        let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let samples = told.map(|(at, line)| {
            Sample::read(line).ok_or_else(|| Unreadable::Line {
                line: at + 1,
                text: line.chars().take(80).collect(),
            })
        });
        let samples = Self(samples.collect::<Result<_, _>>()?);
        if samples.all("fusegate_build_info").next().is_none() {
            return Err(Unreadable::Foreign);
        }
        Ok(samples)
    }

    /// Every sample of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of a name's samples; `None` where there is none.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.all(name)
            .map(|sample| sample.value)
            .reduce(|sum, value| sum + value)
    }

    /// The sum of those whose label is one of these values; 0 where there is none.
    pub(super) fn sum_of(&self, name: &str, label: &str, values: &[&str]) -> f64 {
        let of = self
            .all(name)
            .filter(|sample| values.contains(&sample.label(label)));
        of.map(|sample| sample.value).sum()
    }

    /// The value of the sample that has the same name and labels.
    pub(super) fn same(&self, other: &Sample) -> Option<f64> {
        let mut same = self
            .all(&other.name)
            .filter(|sample| sample.labels == other.labels);
        same.next().map(|sample| sample.value)
    }
}

impl Sample {
    /// What a label says; empty without it.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn read(line: &str) -> Option<Self> {
        let named = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(named);
        let mut labels = BTreeMap::new();
        let rest = match rest.strip_prefix('{') {
            Some(rest) => labelled(rest, &mut labels)?,
            None => rest,
        };
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            labels,
            value,
        })
    }
}

/// Reads labels up to their brace, and gives what follows it.
fn labelled<'a>(mut rest: &'a str, labels: &mut BTreeMap<String, String>) -> Option<&'a str> {
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some(rest);
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, plain) => value.push(plain),
            }
        };
        labels.insert(name.to_owned(), value);
        let after = quoted.get(end + 1..)?;
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}
