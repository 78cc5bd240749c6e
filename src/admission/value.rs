//! A value: the expression over `v` that holds for every value which a kind reads as legal.

use crate::admission::cel;
use crate::admission::text::{self, Texts};
use crate::condition::kind::{Bounds, Kind};

/// The expression, and which spellings escape its bounds, if any do.
#[derive(Debug)]
pub(super) struct Judgment {
    pub(super) expression: String,
    pub(super) escapes: Option<&'static str>,
}

/// What a kind reads as legal, of at most so many bytes of JSON.
///
/// The expression comes to true or false for any value at all, and never to an error, which would deny.
/// A text has at least as many bytes of JSON as characters, and its quotes.
pub(super) fn judgment(kind: &Kind, most_bytes: u32) -> Judgment {
    let is_text = format!(
        "type(v) == string && size(v) <= {}",
        most_bytes.saturating_sub(2)
    );
    let expression = match kind {
        Kind::Presence => "true".to_owned(),
        Kind::String => is_text,
        Kind::Boolean => {
            format!("type(v) == bool || ({is_text} && v.matches('^((?i:true|false)|Unknown)$'))")
        }
        Kind::Enum(values) => {
            let known = values.iter().map(AsRef::as_ref).chain(["Unknown"]);
            format!("{is_text} && v in {}", cel::strings(known))
        }
        Kind::Age => format!(
            "{is_text} && (v == 'Unknown' || v.matches({}))",
            cel::quote(text::TIME)
        ),
        Kind::Number(bounds) => {
            return numeric(&text::NUMBER, &is_text, &number(bounds), bounds);
        }
        Kind::Percent(bounds) => {
            return numeric(&text::PERCENT, &is_text, &number(bounds), bounds);
        }
        Kind::Quantity(bounds) => {
            return numeric(&text::QUANTITY, &is_text, &number(bounds), bounds);
        }
        Kind::Integer(bounds) => return integer(&is_text, bounds),
        Kind::Duration(bounds) => {
            // Without a unit only zero is one.
            let zero = format!("(double(v) == 0.0 && {})", within("double(v)", bounds));
            return numeric(&text::DURATION, &is_text, &zero, bounds);
        }
    };
    Judgment {
        expression,
        escapes: None,
    }
}

fn number(bounds: &Bounds) -> String {
    format!("({})", within("double(v)", bounds))
}

/// Numbers of JSON by one expression, and texts by their form and, where CEL can compute it, by their number.
///
/// What most values are comes first, and every exact text is a legal one.
fn numeric(texts: &Texts, is_text: &str, number: &str, bounds: &Bounds) -> Judgment {
    let legal = cel::quote(texts.legal);
    let bounded = is_bounded(bounds);
    let is_legal = format!("v.matches({legal}) || v == 'Unknown'");
    let text = if bounded {
        let exact = cel::quote(texts.exact);
        let within = within(&format!("({})", texts.number), bounds);
        format!("v.matches({exact}) ? ({within}) : ({is_legal})")
    } else {
        is_legal
    };
    Judgment {
        expression: format!(
            "type(v) == string ? ({is_text} && ({text})) \
             : (type(v) == double || type(v) == int) && {number}"
        ),
        escapes: bounded.then_some(texts.others),
    }
}

/// Whole numbers of 64 bits; past 2^53 every double is whole.
fn integer(is_text: &str, bounds: &Bounds) -> Judgment {
    let within_bounds = within("double(v)", bounds);
    let legal = cel::quote(text::INTEGER.legal);
    let exact = cel::quote(text::INTEGER.exact);
    Judgment {
        expression: format!(
            "type(v) == int ? ({within_bounds}) : type(v) == double \
             ? (v >= -9223372036854775808.0 && v < 9223372036854775808.0 \
             && (v >= 9007199254740992.0 || v <= -9007199254740992.0 || double(int(v)) == v) && {within_bounds}) \
             : ({is_text} && (v.matches({exact}) ? (double(int(double(v))) == double(v) && {within_bounds}) \
             : (v.matches({legal}) || v == 'Unknown')))"
        ),
        escapes: is_bounded(bounds).then_some(text::INTEGER.others),
    }
}

fn is_bounded(bounds: &Bounds) -> bool {
    bounds.minimum.is_some() || bounds.maximum.is_some()
}

/// Whether a number is within the bounds. An infinite bound has no literal, and is left out.
fn within(number: &str, bounds: &Bounds) -> String {
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
