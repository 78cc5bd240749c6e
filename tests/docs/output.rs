//! Output that a page shows, and what was printed in truth.

use anyhow::{Result, ensure};

/// Whether each line that is shown was printed, in that order, whatever the numbers, ids and times.
/// A line that ends in `…` is the beginning of one.
pub(super) fn shows(place: &str, shown: &str, printed: &str) -> Result<()> {
    let printed = masked(printed);
    let mut lines = printed.lines();
    for line in shown.lines() {
        let expected = masked(line);
        let same = |line: &str| match expected.strip_suffix('…') {
            Some(start) => line.starts_with(start),
            None => line == expected,
        };
        ensure!(
            lines.any(same),
            "{place}: {line} is not printed here: {printed}"
        );
    }
    Ok(())
}

/// Every number, hash and time as `#`: these are different each time, and so is the width of a column that they stand in.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest
            .find(|char: char| !char.is_alphanumeric())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(length.max(first.len_utf8()));
        let hash = word.len() >= 16 && word.chars().all(|char| char.is_ascii_hexdigit());
        if hash || first.is_ascii_digit() {
            masked.push('#');
        } else if word != " " || !masked.ends_with(' ') {
            masked.push_str(word);
        }
        rest = after;
    }
    masked
}
