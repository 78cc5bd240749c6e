//! A value: the expression that holds for every value which a kind reads as legal.

use crate::admission::cel;
use crate::admission::text::{self, Texts};
use crate::condition::kind::{Bounds, Kind};

/// The longest text that is matched with regular expressions, in characters.
///
/// Matching costs by the length of both, and what all keys of a contract may cost together suffices for much less than the 32 kB that a value
/// may have. What is longer passes.
pub(super) const MOST_MATCHED: u32 = 1_024;

/// The expression, and what escapes it.
#[derive(Debug)]
pub(super) struct Judgment {
    pub(super) expression: String,
    /// Which spellings escape its bounds, if any do.
    pub(super) escapes: Option<&'static str>,
    /// Whether texts are too long to be matched.
    pub(super) is_cut: bool,
}

/// What a kind reads as legal, of at most so many bytes of JSON; the value is what stands by this name.
///
/// The expression comes to true or false for any value at all, and never to an error, which would deny.
/// A text has at least as many bytes of JSON as characters, and its quotes.
pub(super) fn judgment(value: &str, kind: &Kind, most_bytes: u32) -> Judgment {
    let texts = Judged {
        value,
        most: most_bytes.saturating_sub(2),
    };
    let is_text = texts.are(None);
    let (expression, escapes) = match kind {
        Kind::Presence => ("true".to_owned(), None),
        Kind::String => (is_text, None),
        // No other text is one, so that the regular expression never meets a long one.
        Kind::Boolean => (
            format!(
                "type({value}) == bool || ({is_text} && size({value}) <= 7 && {value}.matches('^((?i:true|false)|Unknown)$'))"
            ),
            None,
        ),
        Kind::Enum(values) => {
            let known = values.iter().map(AsRef::as_ref).chain(["Unknown"]);
            let known = cel::strings(known);
            (format!("{is_text} && {value} in {known}"), None)
        }
        Kind::Age => {
            let time = cel::quote(text::TIME);
            let is_time = format!("{value} == 'Unknown' || {value}.matches({time})");
            (texts.are(Some(&is_time)), None)
        }
        Kind::Number(bounds) => texts.or_number(&text::NUMBER, bounds),
        Kind::Percent(bounds) => texts.or_number(&text::PERCENT, bounds),
        Kind::Quantity(bounds) => texts.or_number(&text::QUANTITY, bounds),
        Kind::Integer(bounds) => texts.or_integer(bounds),
        Kind::Duration(bounds) => texts.or_zero(bounds),
    };
    let is_matched = *kind == Kind::Age || kind.bounds().is_some();
    Judgment {
        expression,
        escapes,
        is_cut: is_matched && texts.most > MOST_MATCHED,
    }
}

/// A value, and the most characters that it may have as a text.
struct Judged<'v> {
    value: &'v str,
    most: u32,
}

impl Judged<'_> {
    /// Texts of which something holds that regular expressions tell.
    fn are(&self, matched: Option<&str>) -> String {
        let Self { value, most } = self;
        let is_text = format!("type({value}) == string && size({value}) <= {most}");
        match matched {
            None => is_text,
            Some(matched) if *most > MOST_MATCHED => {
                format!("{is_text} && (size({value}) > {MOST_MATCHED} || {matched})")
            }
            Some(matched) => format!("{is_text} && ({matched})"),
        }
    }

    /// Texts by their form and, where CEL can compute it, by their number.
    ///
    /// What most values are comes first, and every exact text is a legal one.
    fn numbers(&self, texts: &Texts, bounds: &Bounds) -> String {
        let value = self.value;
        let legal = cel::quote(texts.legal);
        let is_legal = format!("{value}.matches({legal}) || {value} == 'Unknown'");
        if !is_bounded(bounds) {
            return self.are(Some(&is_legal));
        }
        let exact = cel::quote(texts.exact);
        let within = within(&format!("({})", (texts.number)(value)), bounds);
        self.are(Some(&format!(
            "({value}.matches({exact}) ? ({within}) : ({is_legal}))"
        )))
    }

    fn or_number(&self, texts: &Texts, bounds: &Bounds) -> (String, Option<&'static str>) {
        let value = self.value;
        let expression = format!(
            "type({value}) == string ? ({}) : (type({value}) == double || type({value}) == int) && ({})",
            self.numbers(texts, bounds),
            within(&format!("double({value})"), bounds)
        );
        (expression, escapes(texts, bounds))
    }

    /// Durations; without a unit only zero is one.
    fn or_zero(&self, bounds: &Bounds) -> (String, Option<&'static str>) {
        let value = self.value;
        let expression = format!(
            "type({value}) == string ? ({}) : (type({value}) == double || type({value}) == int) && double({value}) == 0.0 && {}",
            self.numbers(&text::DURATION, bounds),
            within(&format!("double({value})"), bounds)
        );
        (expression, escapes(&text::DURATION, bounds))
    }

    /// Whole numbers of 64 bits; past 2^53 every double is whole.
    fn or_integer(&self, bounds: &Bounds) -> (String, Option<&'static str>) {
        let value = self.value;
        let within_bounds = within(&format!("double({value})"), bounds);
        let legal = cel::quote(text::INTEGER.legal);
        let exact = cel::quote(text::INTEGER.exact);
        let is_text = self.are(Some(&format!(
            "({value}.matches({exact}) ? (double(int(double({value}))) == double({value}) && {within_bounds}) \
             : ({value}.matches({legal}) || {value} == 'Unknown'))"
        )));
        let expression = format!(
            "type({value}) == int ? ({within_bounds}) : type({value}) == double \
             ? ({value} >= -9223372036854775808.0 && {value} < 9223372036854775808.0 \
             && ({value} >= 9007199254740992.0 || {value} <= -9007199254740992.0 || double(int({value})) == {value}) && {within_bounds}) \
             : ({is_text})"
        );
        (expression, escapes(&text::INTEGER, bounds))
    }
}

fn escapes(texts: &Texts, bounds: &Bounds) -> Option<&'static str> {
    is_bounded(bounds).then_some(texts.others)
}

pub(super) fn is_bounded(bounds: &Bounds) -> bool {
    bounds.minimum.is_some() || bounds.maximum.is_some()
}

/// Whether a number is within the bounds. An infinite bound has no literal, and is left out.
pub(super) fn within(number: &str, bounds: &Bounds) -> String {
    let finite = |bound: &Option<crate::condition::kind::Bound>| {
        let number = bound.as_ref().map(|bound| bound.number);
        number.filter(|number| number.is_finite())
    };
    let least = finite(&bounds.minimum).map(|least| format!("{number} >= {}", cel::double(least)));
    let most = finite(&bounds.maximum).map(|most| format!("{number} <= {}", cel::double(most)));
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} && {most}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "true".to_owned(),
    }
}
