//! The price of a call: of operators, of CEL's own functions, and of those that Kubernetes adds.

use crate::lint::cost::shape::{Priced, Shape};

/// What reading a character costs, in tenths.
const TRAVERSAL: u64 = 10;

/// What a regular expression costs for each of its characters, in quarters.
const REGEX: u64 = 4;

/// The longest regular expression behind a named format.
const NAMED_FORMAT: u64 = 128;

/// Prices a call whose parts are priced.
pub(super) fn price<'a>(
    name: &str,
    target: Option<&Priced<'a>>,
    arguments: &[Priced<'a>],
) -> Priced<'a> {
    let parts: Vec<_> = target.into_iter().chain(arguments).collect();
    let spent = parts
        .iter()
        .fold(0_u64, |sum, (cost, _)| sum.saturating_add(*cost));
    // What a method is called on, and what it is given; or both of an operator.
    let shape = |at: usize| {
        parts
            .get(at)
            .map_or_else(Shape::scalar, |(_, shape)| shape.clone())
    };
    let (one, other) = (shape(0), shape(1));
    if name == "_?_:_" {
        return conditional(arguments);
    }
    let (cost, result) = operator(name, &one, &other)
        .or_else(|| text(name, &one, &other, &shape(2)))
        .or_else(|| list(name, &one, &other))
        .unwrap_or_else(|| (1, result_of(name, &one)));
    (spent.saturating_add(cost), result)
}

fn conditional<'a>(arguments: &[Priced<'a>]) -> Priced<'a> {
    let [(condition, _), (yes, one), (no, other)] = arguments else {
        return (0, Shape::unknown());
    };
    let larger = if one.size() >= other.size() {
        one
    } else {
        other
    };
    (condition.saturating_add(*yes.max(no)), larger.clone())
}

fn operator<'a>(name: &str, one: &Shape<'a>, other: &Shape<'a>) -> Option<Priced<'a>> {
    let smaller = one.size().min(other.size());
    Some(match name {
        "_&&_" | "_||_" => (0, Shape::scalar()),
        "_==_" | "_!=_" => (read(smaller), Shape::scalar()),
        "_<_" | "_>_" | "_<=_" | "_>=_" if one.is_text() || other.is_text() => {
            (read(smaller), Shape::scalar())
        }
        "_+_" if one.is_text() || other.is_text() => {
            let size = one.size().saturating_add(other.size());
            (read(size), Shape::text(size))
        }
        "_+_" if one.is_list() || other.is_list() => {
            let entry = if other.is_list() {
                other.entry()
            } else {
                one.entry()
            };
            let size = one.size().saturating_add(other.size());
            (1, Shape::list(size, Some(std::rc::Rc::new(entry))))
        }
        "_[_]" | "_[?_]" => (1, one.entry()),
        "@in" | "in" => (other.size(), Shape::scalar()),
        "dyn" => (1, one.clone()),
        _ => return None,
    })
}

/// Functions of text.
fn text<'a>(
    name: &str,
    one: &Shape<'a>,
    other: &Shape<'a>,
    third: &Shape<'a>,
) -> Option<Priced<'a>> {
    let size = one.size();
    Some(match name {
        "matches" => (search(size, other.size()), Shape::scalar()),
        "find" => (search(size, other.size()), Shape::text(size)),
        "findAll" => (search(size, other.size()), pieces(size)),
        "contains" => (
            read(size).saturating_mul(read(other.size())),
            Shape::scalar(),
        ),
        "startsWith" | "endsWith" => (read(other.size()), Shape::scalar()),
        "lowerAscii" | "upperAscii" | "substring" | "trim" | "url" | "escapeKey" => {
            (read(size), Shape::text(size))
        }
        "replace" => (
            twice(size),
            Shape::text(replaced(size, other.size(), third.size())),
        ),
        "split" => (twice(size), pieces(size)),
        "quantity" | "isQuantity" | "semver" | "isSemver" | "cidr" | "isIP" | "isCIDR" | "ip" => {
            (read(size), Shape::scalar())
        }
        "isCanonical" => (twice(size), Shape::scalar()),
        "containsIP" => (read(32).saturating_add(read(other.size())), Shape::scalar()),
        "containsCIDR" => (
            read(48).saturating_add(read(other.size()) + 1),
            Shape::scalar(),
        ),
        "validate" => {
            let regex = NAMED_FORMAT.div_ceil(REGEX);
            (read(other.size()).saturating_mul(regex), pieces(1))
        }
        "bytes" => (read(size), Shape::text(size.saturating_mul(4))),
        "format" if one.is_text() => (read(size), Shape::text(u64::MAX)),
        _ => return None,
    })
}

/// Functions of lists, some of which text has too.
fn list<'a>(name: &str, one: &Shape<'a>, other: &Shape<'a>) -> Option<Priced<'a>> {
    let size = one.size();
    Some(match name {
        "isSorted" | "sum" | "max" | "min" | "includes" => (each(one), Shape::scalar()),
        "indexOf" | "lastIndexOf" if one.is_list() => (each(one), Shape::scalar()),
        "indexOf" | "lastIndexOf" => (read(size), Shape::scalar()),
        "join" => {
            let between = other.size().saturating_mul(size.saturating_sub(1));
            let separated = if other.is_text() { between } else { 0 };
            let whole = size
                .saturating_mul(one.entry().size())
                .saturating_add(separated);
            (read(whole), Shape::text(whole))
        }
        _ => return None,
    })
}

/// Comparing each item, text by its length.
fn each(list: &Shape<'_>) -> u64 {
    let entry = list.entry();
    let item = if entry.is_text() {
        1 + read(entry.size())
    } else {
        1
    };
    list.size().saturating_mul(item)
}

/// What a function yields whose price is one.
fn result_of<'a>(name: &str, one: &Shape<'a>) -> Shape<'a> {
    match name {
        "string" | "getHost" | "getHostname" | "getPort" | "getScheme" | "getEscapedPath" => {
            Shape::text(u64::MAX)
        }
        "getQuery" => Shape::unknown(),
        // Optional values, and what is taken out of them.
        "value" | "orValue" | "optMap" | "optFlatMap" | "of" | "ofNonZeroValue" | "_?._" => {
            one.clone()
        }
        _ => Shape::scalar(),
    }
}

fn pieces<'a>(size: u64) -> Shape<'a> {
    Shape::list(size, Some(std::rc::Rc::new(Shape::text(u64::MAX))))
}

/// Reading text once.
fn read(size: u64) -> u64 {
    size.div_ceil(TRAVERSAL)
}

fn twice(size: u64) -> u64 {
    size.saturating_mul(2).div_ceil(TRAVERSAL)
}

/// Matching text against a regular expression; one more character, since the expression costs even then.
fn search(text: u64, regex: u64) -> u64 {
    read(text.saturating_add(1)).saturating_mul(regex.div_ceil(REGEX))
}

/// The longest text after every occurrence was replaced.
fn replaced(size: u64, what: u64, by: u64) -> u64 {
    match what {
        0 => size
            .saturating_add(1)
            .saturating_mul(by)
            .saturating_add(size),
        _ if by <= what => size,
        _ => size.div_ceil(what).saturating_mul(by),
    }
}
