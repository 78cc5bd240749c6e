//! The plot: the outcome as an SVG that stands by itself, by day and by night.

use std::fmt::Write as _;

use crate::breaker::circuit::StateName;
use crate::breaker::config::{Rule, Test};
use crate::cli::simulate::outcome::Outcome;
use crate::cli::simulate::text::{moment, number};
use crate::cli::simulate::track::{RuleTrack, SLICES, Track};
use crate::spec::policy::Policy;

/// The most circuits that are plotted; those that tripped come first.
const MOST_CIRCUITS: usize = 8;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 16.0;
/// How high the values of a rule are drawn.
const HEIGHT: f64 = 130.0;
/// How high the states are drawn.
const BAND: f64 = 22.0;
/// How wide a state has its name in it.
const NAMED: f64 = 64.0;
/// A line of text.
const LINE: f64 = 22.0;

const STYLE: &str = "\
:root{--sheet:#fff;--ink:#1a2029;--faint:#566070;--line:#d9dee6;--open:#b3261e;--half:#b87900;--closed:#bfe3cb;--plot:#1f4fd8}\
@media(prefers-color-scheme:dark){:root{--sheet:#1a2029;--ink:#e6eaf0;--faint:#a0abbb;--line:#303947;--open:#ff8a80;--half:#ffc861;--closed:#1f5138;--plot:#8fb0ff}}\
text{fill:var(--faint);font:12px system-ui,'Segoe UI','Liberation Sans',sans-serif}\
.title{fill:var(--ink);font-weight:600;font-size:14px}\
.sheet{fill:var(--sheet)}.grid{stroke:var(--line)}.value{fill:var(--plot);fill-opacity:.35;stroke:var(--plot)}\
.limit{stroke:var(--open);stroke-dasharray:6 4}.clear{stroke:var(--half);stroke-dasharray:2 3}\
.name{fill:var(--sheet);font-weight:600;font-size:11px}.Open{fill:var(--open)}.HalfOpen{fill:var(--half)}.Closed{fill:var(--closed)}";

/// The outcome as SVG.
pub(super) fn plot(title: &str, policy: &Policy, outcome: &Outcome) -> String {
    let mut tracks: Vec<_> = outcome.tracks.iter().collect();
    tracks.sort_by_key(|(_, track)| track.trips.is_empty());
    tracks.truncate(MOST_CIRCUITS);
    let mut sheet = Sheet {
        outcome,
        body: String::new(),
        y: LINE,
    };
    sheet.text(LEFT, "title", "start", title);
    for (object, track) in tracks {
        sheet.circuit(object, track, policy);
    }
    let height = sheet.y + 8.0;
    let label = escaped(title);
    let body = sheet.body;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">\n\
         <style>{STYLE}</style>\n<rect class=\"sheet\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

/// What has been drawn, and how far down.
struct Sheet<'a> {
    outcome: &'a Outcome,
    body: String,
    y: f64,
}

impl Sheet<'_> {
    fn circuit(&mut self, object: &str, track: &Track, policy: &Policy) {
        self.y += LINE;
        self.text(LEFT, "title", "start", object);
        for (index, (rule, seen)) in policy.config.rules.iter().zip(&track.rules).enumerate() {
            let unit = policy.units.get(index).copied().unwrap_or_default();
            self.rule(rule, unit, seen);
        }
        self.states(track);
        self.times();
    }

    fn text(&mut self, x: f64, class: &str, anchor: &str, text: &str) {
        let (y, text) = (self.y, escaped(text));
        self.add(&format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn add(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The values of a rule against its limits.
    fn rule(&mut self, rule: &Rule, unit: &str, seen: &RuleTrack) {
        let (limit, clear) = match rule.test {
            Test::Above { limit, clear } | Test::Below { limit, clear } => (Some(limit), clear),
            Test::Equals(_) | Test::NotEquals(_) | Test::In(_) => (None, None),
        };
        let slices = seen.resliced(SLICES);
        let values = slices
            .iter()
            .flatten()
            .flat_map(|(low, high)| [*low, *high]);
        let all = values.chain(limit).chain(clear);
        let Some((low, high)) = all
            .map(|value| (value, value))
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        else {
            return;
        };
        let reach = if high > low { high - low } else { 1.0 };
        self.y += LINE;
        self.text(LEFT, "", "start", &rule.condition);
        let top = self.y + 8.0;
        let y = |value: f64| top + (high - value) / reach * HEIGHT;
        for value in [low, f64::midpoint(low, high), high] {
            let at = y(value);
            self.line("grid", at);
            self.y = at + 4.0;
            self.text(LEFT - 6.0, "", "end", &format!("{}{unit}", number(value)));
        }
        for (class, value) in [("limit", limit), ("clear", clear)] {
            if let Some(value) = value {
                self.line(class, y(value));
            }
        }
        for path in areas(&slices, y) {
            self.add(&format!("<path class=\"value\" d=\"{path}\"/>"));
        }
        self.y = top + HEIGHT;
    }

    fn line(&mut self, class: &str, y: f64) {
        let right = WIDTH - RIGHT;
        self.add(&format!(
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        ));
    }

    fn states(&mut self, track: &Track) {
        self.y += 10.0;
        let y = self.y;
        let (from, to) = (self.outcome.from, self.outcome.to);
        let whole = format!(
            "<rect class=\"Closed\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAND}\"/>",
            WIDTH - LEFT - RIGHT
        );
        self.add(&whole);
        for span in track.spans(to) {
            if span.state == StateName::Closed {
                continue;
            }
            let (x, end) = (self.x(span.from.max(from)), self.x(span.to));
            let (name, width) = (span.state.name(), (end - x).max(1.5));
            let (since, until) = (moment(span.from), moment(span.to));
            self.add(&format!(
                "<rect class=\"{name}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAND}\"><title>{name} from {since} to {until}</title></rect>"
            ));
            if width > NAMED {
                let (x, y) = (x + 6.0, y + 15.0);
                self.add(&format!(
                    "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>"
                ));
            }
        }
        self.y += BAND;
    }

    fn times(&mut self) {
        self.y += 16.0;
        let (from, to) = (self.outcome.from, self.outcome.to);
        let middle = i64::midpoint(from, to);
        for (at, anchor) in [(from, "start"), (middle, "middle"), (to, "end")] {
            self.text(self.x(at), "", anchor, &moment(at));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
    fn x(&self, at: i64) -> f64 {
        let (from, to) = (self.outcome.from, self.outcome.to);
        let share = (at - from) as f64 / (to - from).max(1) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }
}

/// Paths around the values from the least to the greatest of each slice, one for each stretch without a hole.
fn areas(slices: &[Option<(f64, f64)>], y: impl Fn(f64) -> f64) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
    let x = |slice: usize| LEFT + slice as f64 / SLICES as f64 * (WIDTH - LEFT - RIGHT);
    let mut paths = Vec::new();
    let numbered: Vec<_> = slices.iter().enumerate().collect();
    for stretch in numbered.chunk_by(|(_, one), (_, other)| one.is_some() == other.is_some()) {
        let known = stretch
            .iter()
            .filter_map(|(index, slice)| Some((*index, (**slice)?)));
        let known: Vec<_> = known.collect();
        let mut path = String::new();
        for (number, (index, (_, high))) in known.iter().enumerate() {
            let start = if number == 0 { 'M' } else { 'L' };
            // Writing into a String can't fail.
            let _ = write!(
                path,
                "{start}{:.1} {:.1}H{:.1}",
                x(*index),
                y(*high),
                x(index + 1)
            );
        }
        for (index, (low, _)) in known.iter().rev() {
            let _ = write!(path, "L{:.1} {:.1}H{:.1}", x(index + 1), y(*low), x(*index));
        }
        if !path.is_empty() {
            paths.push(format!("{path}Z"));
        }
    }
    paths
}

/// Text as XML has it; what comes from outside stays text.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
