//! Texts that stand for values: regular expressions for what is read at all, and for what CEL can compute with.
//!
//! Each type has two: `legal` matches whatever [`crate::condition`] reads, and `exact` those of which CEL computes the very number that it does.
//! What is legal and not exact passes whatever its number is.
//! None has a backslash, and all are within RE2, as the API server's regular expressions are.

/// The texts of one type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    /// What is read.
    pub(super) legal: &'static str,
    /// What CEL can compute with.
    pub(super) exact: &'static str,
    /// How CEL computes the number of `v`.
    pub(super) number: &'static str,
    /// What is legal and not exact, in words.
    pub(super) others: &'static str,
}

/// Plain numbers.
pub(super) const NUMBER: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$",
    exact: "^[+-]?([0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?|(?i:inf|infinity))$",
    number: "double(v)",
    others: "texts of more than 15 digits, or with an exponent of more than 2",
};

/// Whole numbers, in text.
pub(super) const INTEGER: Texts = Texts {
    legal: NUMBER.legal,
    exact: "^[+-]?[0-9]{1,15}([.][0-9]{1,15})?$",
    number: "double(v)",
    others: "texts of more than 15 digits, or with an exponent",
};

/// Numbers with or without `%`.
pub(super) const PERCENT: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))%?$",
    exact: "^[+-]?([0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?|(?i:inf|infinity))%?$",
    number: "double(v.replace('%', ''))",
    others: NUMBER.others,
};

/// Kubernetes quantities.
///
/// `quantity()` is not used: it rounds where the condition model does not.
pub(super) const QUANTITY: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?|(?i:inf|infinity))$",
    exact: "^[+-]?[0-9]{1,15}([.][0-9]{1,9})?([numkMGTPE]|[KMGTPE]i)?$",
    number: "v.endsWith('i') ? double(v.substring(0, size(v) - 2)) * (v.endsWith('Ki') ? 1024.0 \
             : v.endsWith('Mi') ? 1048576.0 : v.endsWith('Gi') ? 1073741824.0 : v.endsWith('Ti') ? 1099511627776.0 \
             : v.endsWith('Pi') ? 1125899906842624.0 : 1152921504606846976.0) \
             : v.matches('[0-9]$') ? double(v) : double(v.substring(0, size(v) - 1) + (v.endsWith('n') ? 'e-9' \
             : v.endsWith('u') ? 'e-6' : v.endsWith('m') ? 'e-3' : v.endsWith('k') ? 'e3' : v.endsWith('M') ? 'e6' \
             : v.endsWith('G') ? 'e9' : v.endsWith('T') ? 'e12' : v.endsWith('P') ? 'e15' : 'e18'))",
    others: "texts of more than 15 digits, or with an exponent",
};

/// Durations, in milliseconds: of one unit, or of several that are whole.
///
/// The exact ones are short enough that the condition model, which counts nanoseconds, comes to the same double.
pub(super) const DURATION: Texts = Texts {
    legal: "^[+-]?(0|P([0-9]*[.,]?[0-9]*[WD])*(T([0-9]*[.,]?[0-9]*[HMS])+)?|([0-9]*[.,]?[0-9]*(w|d|h|m|s|ms|us|\u{b5}s|\u{3bc}s|ns))+|(?i:inf|infinity))$",
    exact: "^-?([0-9]{1,9}([.][0-9]{1,6})?ms|[0-9]{1,9}([.][0-9]{1,3})?us|[0-9]{1,9}ns|[0-9]{1,6}([.][0-9]{1,9})?s\
            |[0-9]{1,4}[wdhm]|([0-9]{1,3}h)?[0-9]{1,4}m[0-9]{1,5}s|[0-9]{1,3}h[0-9]{1,4}m|[0-9]{1,3}h[0-9]{1,5}s)$",
    number: "v.endsWith('ms') ? double(v.replace('ms', '')) : v.endsWith('us') ? double(v.replace('us', 'e-3')) \
             : v.endsWith('ns') ? double(v.replace('ns', 'e-6')) : v.matches('^-?[0-9.]+s$') ? double(v.replace('s', 'e3')) \
             : v.endsWith('w') ? double(v.replace('w', '')) * 604800000.0 : v.endsWith('d') ? double(v.replace('d', '')) * 86400000.0 \
             : double(duration(v).getSeconds()) * 1000.0",
    others: "those in ISO 8601 or with a comma, and those of several units with fractions or days",
};

/// The start of a time in any of the forms that are read, or what stands for none.
pub(super) const TIME: &str =
    "^(0001-01-01|([0-9]{4}|[+-][0-9]{6})-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}|$)";
