//! Labels: an object's labels as one piece of text, since there are some for each object that is watched.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Labels, one behind the other: each text as its number of bytes, a colon, and the text. No
/// separator could be written by whoever writes labels, and none is looked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Labels(Box<str>);

impl Labels {
    pub(crate) fn of(labels: &BTreeMap<String, String>) -> Self {
        let texts = || labels.iter().flat_map(|(key, value)| [key, value]);
        let width = |text: &String| text.len().checked_ilog10().unwrap_or(0) as usize + 2;
        let length = texts().map(|text| width(text) + text.len()).sum();
        let mut written = String::with_capacity(length);
        for text in texts() {
            // Writing into a String can't fail.
            let _ = write!(written, "{}:{text}", text.len());
        }
        Self(written.into())
    }

    /// The value of a label.
    pub(crate) fn get(&self, wanted: &str) -> Option<&str> {
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
fn take(texts: &str) -> Option<(&str, &str)> {
    let (length, rest) = texts.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
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
        let labels = Labels::of(&BTreeMap::from(pairs.clone()));
        for (key, value) in &pairs {
            assert_eq!(labels.get(key), Some(value.as_str()));
        }
        assert_eq!(labels.get("lead"), None);
        assert_eq!(Labels::default().get("tier"), None);
    }
}
