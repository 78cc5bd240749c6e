//! Labels: an object's labels as one piece of text, shared by the engine and the view, since there
//! are some for each object that is watched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The most bytes that the labels of one object have, keys and values together. Kubernetes bounds each
/// label (317 bytes of key, 63 of value) and not their number, so that one object could carry more
/// than a megabyte of them; nodes of large clouds, which carry the most, have about half of this.
pub const MAX_LABEL_BYTES: usize = 8 * 1_024;

/// Labels, one behind the other: each text as its number of bytes, a colon, and the text. No
/// separator could be written by whoever writes labels, and none is looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Arc<str>);

/// Labels that find no room.
#[derive(Debug, PartialEq, Eq)]
pub struct Omitted {
    /// The first of them.
    pub key: Box<str>,
    /// How many there are.
    pub count: usize,
    /// The bytes of all labels, with those that are kept.
    pub bytes: usize,
}

/// The most characters of a key that are repeated; the API server allows no longer ones, a directory does.
const MAX_SHOWN: usize = 317;

impl Labels {
    /// Keeps labels in the order of their keys, up to [`MAX_LABEL_BYTES`]; what lies behind is omitted.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> (Self, Option<Omitted>) {
        let mut bytes = 0;
        let kept = labels.iter().take_while(|(key, value)| {
            bytes += key.len() + value.len();
            bytes <= MAX_LABEL_BYTES
        });
        let kept = kept.count();
        let omitted = labels.keys().nth(kept).map(|first| Omitted {
            key: first.chars().take(MAX_SHOWN).collect::<String>().into(),
            count: labels.len() - kept,
            bytes: labels
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum(),
        });
        let texts = || {
            let kept = labels.iter().take(kept);
            kept.flat_map(|(key, value)| [key, value])
        };
        let width = |text: &String| text.len().checked_ilog10().unwrap_or(0) as usize + 2;
        let length = texts().map(|text| width(text) + text.len()).sum();
        let mut written = String::with_capacity(length);
        for text in texts() {
            // Writing into a String can't fail.
            let _ = write!(written, "{}:{text}", text.len());
        }
        (Self(written.into()), omitted)
    }

    /// Whether these are the labels of an object, all of them.
    #[must_use]
    pub fn are(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut rest = Some(&*self.0);
        let mut taken = || {
            let (text, behind) = take(rest?)?;
            rest = Some(behind);
            Some(text)
        };
        let same = |(key, value): (&String, &String)| {
            taken() == Some(key.as_str()) && taken() == Some(value.as_str())
        };
        labels.iter().all(same) && rest == Some("")
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let mut rest = &*self.0;
        while let Some((key, behind)) = take(rest) {
            let (value, behind) = take(behind)?;
            if key == wanted {
                return Some(value);
            }
            rest = behind;
        }
        None
    }
}

/// The first text, and what is behind it.
pub(crate) fn take(texts: &str) -> Option<(&str, &str)> {
    let mut length = 0_usize;
    for (at, byte) in texts.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                length = length
                    .checked_mul(10)?
                    .checked_add(usize::from(byte - b'0'))?;
            }
            b':' => return texts.get(at + 1..)?.split_at_checked(length),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_found_whatever_is_written_in_it() {
        let pairs = [
            ("tier", "gold"),
            ("app/name", ""),
            ("odd", "4:tier4:lead"),
            ("ü", "ö:3"),
        ];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (labels, omitted) = Labels::of(&BTreeMap::from(pairs.clone()));
        for (key, value) in &pairs {
            assert_eq!(labels.get(key), Some(value.as_str()));
        }
        let mut others = BTreeMap::from(pairs.clone());
        assert!(labels.are(&others));
        others.insert("zone".to_owned(), "a".to_owned());
        assert!(!labels.are(&others));
        others.pop_last();
        others.pop_first();
        assert!(!labels.are(&others) && !Labels::default().are(&others));
        assert!(Labels::default().are(&BTreeMap::new()));
        assert_eq!(labels.get("lead"), None);
        assert_eq!(Labels::default().get("tier"), None);
        assert_eq!(omitted, None);
    }

    #[test]
    fn labels_are_kept_up_to_the_bound_in_the_order_of_their_keys() {
        let label = |index: usize| (format!("{index:04}"), "x".repeat(96));
        let all: BTreeMap<String, String> = (0..10_000).map(label).collect();
        let (labels, omitted) = Labels::of(&all);
        assert!(labels.0.len() < 2 * MAX_LABEL_BYTES);
        assert!(labels.get("0080").is_some() && labels.get("0081").is_none());
        let omitted = omitted.unwrap();
        assert_eq!((&*omitted.key, omitted.count), ("0081", 9_919));
        assert_eq!(omitted.bytes, 1_000_000);
    }
}
