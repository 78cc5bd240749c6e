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
    /// How CEL computes the number of a text, given how that is named.
    pub(super) number: fn(&str) -> String,
    /// What is legal and not exact, in words.
    pub(super) others: &'static str,
}

/// Plain numbers.
pub(super) const NUMBER: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$",
    exact: "^[+-]?([0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?|(?i:inf|infinity))$",
    number: plain,
    others: "texts of more than 15 digits, or with an exponent of more than 2",
};

/// Whole numbers, in text.
pub(super) const INTEGER: Texts = Texts {
    legal: NUMBER.legal,
    exact: "^[+-]?[0-9]{1,15}([.][0-9]{1,15})?$",
    number: plain,
    others: "texts of more than 15 digits, or with an exponent",
};

/// Numbers with or without `%`.
pub(super) const PERCENT: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))%?$",
    exact: "^[+-]?([0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?|(?i:inf|infinity))%?$",
    number: |text| format!("double({text}.replace('%', ''))"),
    others: NUMBER.others,
};

/// Kubernetes quantities.
///
/// `quantity()` is not used: it rounds where the condition model does not.
pub(super) const QUANTITY: Texts = Texts {
    legal: "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?|(?i:inf|infinity))$",
    exact: "^[+-]?[0-9]{1,15}([.][0-9]{1,9})?([numkMGTPE]|[KMGTPE]i)?$",
    number: quantity,
    others: "texts of more than 15 digits, or with an exponent",
};

/// Durations, in milliseconds: of one unit, or of several that are whole.
///
/// The exact ones are short enough that the condition model, which counts nanoseconds, comes to the same double.
pub(super) const DURATION: Texts = Texts {
    legal: "^[+-]?(0|P([0-9]*[.,]?[0-9]*[WD])*(T([0-9]*[.,]?[0-9]*[HMS])+)?|([0-9]*[.,]?[0-9]*(w|d|h|m|s|ms|us|\u{b5}s|\u{3bc}s|ns))+|(?i:inf|infinity))$",
    exact: "^-?([0-9]{1,9}([.][0-9]{1,6})?ms|[0-9]{1,9}([.][0-9]{1,3})?us|[0-9]{1,9}ns|[0-9]{1,6}([.][0-9]{1,9})?s\
            |[0-9]{1,4}[wdhm]|([0-9]{1,3}h)?[0-9]{1,4}m[0-9]{1,5}s|[0-9]{1,3}h[0-9]{1,4}m|[0-9]{1,3}h[0-9]{1,5}s)$",
    number: duration,
    others: "those in ISO 8601 or with a comma, and those of several units with fractions or days",
};

/// Durations as most are written: the exact ones that are seconds or milliseconds.
pub(super) const SHORT_DURATION: Texts = Texts {
    exact: "^-?[0-9]{1,6}([.][0-9]{1,6})?m?s$",
    number: |text| {
        format!(
            "{text}.endsWith('ms') ? double({text}.replace('ms', '')) : double({text}.replace('s', 'e3'))"
        )
    },
    ..DURATION
};

/// The start of a time in any of the forms that are read, or what stands for none.
pub(super) const TIME: &str =
    "^(0001-01-01|([0-9]{4}|[+-][0-9]{6})-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}|$)";

/// A moment on a day that every month has, as Kubernetes writes times.
pub(super) const MOMENT: &str = "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$";

fn plain(text: &str) -> String {
    format!("double({text})")
}

fn quantity(text: &str) -> String {
    let without = |suffix: u8| format!("{text}.substring(0, size({text}) - {suffix})");
    let of = |factors: &[(&str, &str)], last: &str| {
        let factors = factors.iter();
        let factors =
            factors.map(|(suffix, factor)| format!("{text}.endsWith('{suffix}') ? {factor} : "));
        format!("{}{last}", factors.collect::<String>())
    };
    let binary = of(
        &[
            ("Ki", "1024.0"),
            ("Mi", "1048576.0"),
            ("Gi", "1073741824.0"),
            ("Ti", "1099511627776.0"),
            ("Pi", "1125899906842624.0"),
        ],
        "1152921504606846976.0",
    );
    let decimal = of(
        &[
            ("n", "'e-9'"),
            ("u", "'e-6'"),
            ("m", "'e-3'"),
            ("k", "'e3'"),
            ("M", "'e6'"),
            ("G", "'e9'"),
            ("T", "'e12'"),
            ("P", "'e15'"),
        ],
        "'e18'",
    );
    format!(
        "{text}.endsWith('i') ? double({}) * ({binary}) : {text}.matches('[0-9]$') ? double({text}) : double({} + ({decimal}))",
        without(2),
        without(1)
    )
}

fn duration(text: &str) -> String {
    let read =
        |unit: &str, exponent: &str| format!("double({text}.replace('{unit}', '{exponent}'))");
    format!(
        "{text}.endsWith('ms') ? {} : {text}.endsWith('us') ? {} : {text}.endsWith('ns') ? {} : {text}.matches('^-?[0-9.]+s$') ? {} \
         : {text}.endsWith('w') ? {} * 604800000.0 : {text}.endsWith('d') ? {} * 86400000.0 : double(duration({text}).getSeconds()) * 1000.0",
        read("ms", ""),
        read("us", "e-3"),
        read("ns", "e-6"),
        read("s", "e3"),
        read("w", ""),
        read("d", "")
    )
}
