//! What an unknown field was probably meant to be.

/// The most edits between a misspelled name and the one that is suggested.
const EDITS: usize = 2;

/// The longest name that is compared; no known field is longer, and comparing costs the product of both lengths.
const LONGEST: usize = 64;

/// The message for an unknown field: the known name it resembles, or else all of them.
pub(super) fn unknown_field(name: &str, known: &[&str]) -> String {
    if let Some(meant) = resembling(name, known) {
        return format!("unknown field; did you mean `{meant}`?");
    }
    if known.is_empty() {
        return "unknown field; this object has no fields".to_owned();
    }
    format!("unknown field; the known ones are {}", known.join(", "))
}

fn resembling<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let distances = known
        .iter()
        .map(|known| (distance(&lower, &known.to_lowercase()), *known));
    let close = distances.filter(|(edits, known)| *edits <= EDITS.min(known.len() / 2));
    close.min().map(|(_, known)| known)
}

/// Levenshtein's distance: the least number of characters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, from) in one.chars().enumerate() {
        let mut previous = index + 1;
        let mut diagonal = index;
        let mut next = vec![previous];
        for (to, above) in other.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            previous = replaced.min(previous + 1).min(above + 1);
            diagonal = *above;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", 0)]
    #[case("abc", "abc", 0)]
    #[case("abc", "", 3)]
    #[case("", "abc", 3)]
    #[case("kitten", "sitting", 3)]
    #[case("flaw", "lawn", 2)]
    #[case("within", "wihtin", 2)]
    fn distance_counts_edits(#[case] one: &str, #[case] other: &str, #[case] edits: usize) {
        assert_eq!(distance(one, other), edits);
    }

    #[rstest]
    #[case("consecutve", "did you mean `consecutive`?")]
    #[case("atleast", "did you mean `atLeast`?")]
    #[case("colour", "the known ones are atLeast, consecutive, in")]
    #[case("on", "did you mean `in`?")]
    #[case("xy", "the known ones are atLeast, consecutive, in")]
    fn a_misspelled_field_is_answered_with_the_known_one(#[case] name: &str, #[case] answer: &str) {
        let message = unknown_field(name, &["atLeast", "consecutive", "in"]);
        assert_eq!(message, format!("unknown field; {answer}"));
    }
}
