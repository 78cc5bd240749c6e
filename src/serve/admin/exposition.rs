//! The exposition of metrics: `OpenMetrics` where the caller asks for it, as Prometheus does, and Prometheus's own text format otherwise.
//!
//! The two differ in a counter's name: `OpenMetrics` names the family without the `_total` of its samples, and a
//! reader of the text format then finds samples without help.

use std::fmt::Write as _;

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposition {
    /// Prometheus's text format, 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// What the values of `Accept` prefer; the text format where they name neither.
    pub(super) fn accepted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        for range in accept.flat_map(|value| value.split(',')) {
            let (media, quality) = media_range(range);
            if media.eq_ignore_ascii_case("application/openmetrics-text") {
                open = quality.max(open);
            } else if media.eq_ignore_ascii_case("text/plain") {
                text = quality.max(text);
            }
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Metrics, given as `OpenMetrics`, in this format.
    pub(super) fn text(self, open_metrics: String) -> String {
        match self {
            Self::Text => text_format(&open_metrics),
            Self::OpenMetrics => open_metrics,
        }
    }
}

/// The media type of a range of `Accept`, and its quality: 1 unless it says otherwise, and 0 where that can't be read.
fn media_range(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    (
        media,
        quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)),
    )
}

/// Names a counter's family as its samples are, and leaves out what the text format has not got.
fn text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 16);
    // The help stands above the type, which says whether the name is to change.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = typed(line) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            // Writing to a string can't fail.
            if let Some((_, help)) = help.take() {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The family and the type that a line declares.
fn typed(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use Exposition::{OpenMetrics, Text};

    #[rstest]
    #[case::nobody("", Text)]
    #[case::curl("*/*", Text)]
    #[case::prometheus(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OpenMetrics
    )]
    #[case::prometheus_told_to_use_text(
        "text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5",
        Text
    )]
    #[case::refused("application/openmetrics-text; q=0", Text)]
    #[case::unreadable("application/openmetrics-text; q=high", Text)]
    fn what_is_preferred_is_served(#[case] accept: &str, #[case] expected: Exposition) {
        assert_eq!(Exposition::accepted([accept].into_iter()), expected);
    }

    #[test]
    fn counters_are_named_as_their_samples_and_nothing_else_changes() {
        let open = "\
# HELP a_events Events.
# TYPE a_events counter
a_events_total{feed=\"# TYPE x\"} 3
# HELP a_depth Depth.
# TYPE a_depth gauge
a_depth 1
# HELP a_seconds Time.
# TYPE a_seconds histogram
# UNIT a_seconds seconds
a_seconds_sum 0.5
a_seconds_count 1
# EOF
";
        let text = open
            .replace("HELP a_events", "HELP a_events_total")
            .replace("TYPE a_events", "TYPE a_events_total")
            .replace("# UNIT a_seconds seconds\n", "")
            .replace("# EOF\n", "");
        assert_eq!(Text.text(open.to_owned()), text);
        assert_eq!(OpenMetrics.text(open.to_owned()), open);
    }
}
