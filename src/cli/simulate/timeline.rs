//! The timeline: what became of circuits, for people at a terminal.

use std::io::{self, Write};
use std::sync::Arc;

use anstyle::AnsiColor;

use crate::breaker::circuit::StateName;
use crate::cli::grid;
use crate::cli::simulate::observed::{Marks, Observed};
use crate::cli::simulate::outcome::{Outcome, Score, is_false, sick, to_trip};
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::sweep::Setting;
use crate::cli::simulate::text::{counted, length, moment, number};
use crate::cli::simulate::track::{Track, Trip};
use crate::cli::style::Colours;

/// The most circuits that are drawn; the others are counted.
const MOST_DRAWN: usize = 20;

/// The most trips in the table, unless everything is asked for.
const MOST_TRIPS: usize = 50;

/// The heights of a bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) colours: Colours,
    /// In characters.
    pub(super) width: usize,
    /// Whether everything is written.
    pub(super) wide: bool,
}

/// Writes one simulation.
pub(super) fn write(
    subject: &Subject,
    observed: &Observed,
    outcome: &Outcome,
    marks: Option<&Marks>,
    look: Look,
    out: &mut impl Write,
) -> io::Result<()> {
    head(subject, observed, outcome.tracks.len(), out)?;
    let drawn: Vec<(&Arc<str>, &Track)> = drawn(outcome);
    for (object, track) in &drawn {
        draw(object, track, outcome, subject, look, out)?;
    }
    let rest = outcome.tracks.len() - drawn.len();
    if rest > 0 {
        writeln!(
            out,
            "{} more without a drawing",
            counted(rest as u64, "circuit")
        )?;
    }
    let trips = outcome.trips();
    if !trips.is_empty() {
        writeln!(out)?;
        table(outcome, marks, &trips, look, out)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", told(&outcome.score(marks)))
}

/// Writes a sweep.
pub(super) fn write_sweep(
    subject: &Subject,
    observed: &Observed,
    circuits: usize,
    scores: &[(Setting, Score)],
    out: &mut impl Write,
) -> io::Result<()> {
    head(subject, observed, circuits, out)?;
    writeln!(out)?;
    let rows = scores.iter().map(|(setting, score)| {
        let wait = score.to_trip.map_or_else(nothing, length);
        let (wrong, missed) = score.marked.map_or_else(
            || (nothing(), nothing()),
            |marked| {
                (
                    marked.false_trips.to_string(),
                    format!("{} of {}", marked.missed, marked.sick),
                )
            },
        );
        [
            setting.to_string(),
            score.trips.to_string(),
            length(score.open),
            wait,
            wrong,
            missed,
        ]
    });
    let rows: Vec<_> = rows.collect();
    grid::write(
        ["SETTING", "TRIPS", "OPEN", "TO TRIP", "FALSE", "MISSED"],
        &rows,
        out,
    )
}

fn nothing() -> String {
    grid::NOTHING.to_owned()
}

fn head(
    subject: &Subject,
    observed: &Observed,
    circuits: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let (from, to) = observed.span();
    writeln!(
        out,
        "CircuitPolicy {} on {} of {}, {} to {}",
        subject.name,
        counted(observed.count(), "observation"),
        counted(circuits as u64, "object"),
        moment(from),
        moment(to)
    )
}

/// The circuits to draw: those that tripped first.
fn drawn(outcome: &Outcome) -> Vec<(&Arc<str>, &Track)> {
    let mut tracks: Vec<_> = outcome.tracks.iter().collect();
    tracks.sort_by_key(|(_, track)| track.trips.is_empty());
    tracks.truncate(MOST_DRAWN);
    tracks
}

fn draw(
    object: &str,
    track: &Track,
    outcome: &Outcome,
    subject: &Subject,
    look: Look,
    out: &mut impl Write,
) -> io::Result<()> {
    let rules = &subject.policy.trip.when;
    let named = rules.iter().map(|rule| rule.condition.as_str());
    let longest = named
        .chain(["state"])
        .map(|name| name.chars().count())
        .max();
    let margin = longest.unwrap_or_default() + 4;
    let cells = look.width.saturating_sub(margin + 1).clamp(20, 200);
    writeln!(out)?;
    writeln!(out, "{}", look.colours.bold(&grid::cell(object, 253)))?;
    for (index, (rule, seen)) in rules.iter().zip(&track.rules).enumerate() {
        let bars = bars(&seen.resliced(cells), rule.below.is_some());
        if let Some((bars, low, high)) = bars {
            let name = &rule.condition;
            let unit = subject.unit(index);
            let range = format!("{low} to {high}{unit}");
            writeln!(out, "  {name:width$}{bars}  {range}", width = margin - 2)?;
        }
    }
    let states = states(track, outcome, cells);
    let line: String = states
        .chunk_by(|one, other| one == other)
        .map(|same| run(same, look.colours))
        .collect();
    writeln!(out, "  {:width$}{line}", "state", width = margin - 2)?;
    let (from, to) = (moment(outcome.from), moment(outcome.to));
    let gap = cells.saturating_sub(from.len() + to.len()).max(1);
    writeln!(out, "{:margin$}{from}{:gap$}{to}", "", "")
}

/// Equal states side by side.
fn run(same: &[StateName], colours: Colours) -> String {
    let all = |sign: &str| sign.repeat(same.len());
    match same.first() {
        Some(StateName::Open) => colours.paint(AnsiColor::Red, &all("█")),
        Some(StateName::HalfOpen) => colours.paint(AnsiColor::Yellow, &all("▒")),
        _ => colours.paint(AnsiColor::Green, &all("·")),
    }
}

/// For each cell, the worst state in it.
fn states(track: &Track, outcome: &Outcome, cells: usize) -> Vec<StateName> {
    let mut states = vec![StateName::Closed; cells];
    let length = i128::from((outcome.to - outcome.from).max(1));
    let cell = |at: i64| {
        let past = i128::from(at.clamp(outcome.from, outcome.to) - outcome.from);
        usize::try_from(past * cells as i128 / length)
            .unwrap_or(0)
            .min(cells - 1)
    };
    let rank = |state: StateName| match state {
        StateName::Closed => 0,
        StateName::HalfOpen => 1,
        StateName::Open => 2,
    };
    for span in track.spans(outcome.to) {
        let touched = states.get_mut(cell(span.from)..=cell(span.to));
        for state in touched.into_iter().flatten() {
            if rank(span.state) > rank(*state) {
                *state = span.state;
            }
        }
    }
    states
}

/// A bar for the worst value of each cell, and the least and the greatest of them.
fn bars(cells: &[Option<(f64, f64)>], low_is_bad: bool) -> Option<(String, String, String)> {
    let worst = |cell: &(f64, f64)| if low_is_bad { cell.0 } else { cell.1 };
    let known = cells.iter().flatten();
    let (low, high) = known
        .copied()
        .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
    let reach = high - low;
    let bar = |cell: &Option<(f64, f64)>| {
        let Some(value) = cell.as_ref().map(worst) else {
            return ' ';
        };
        let share = if reach > 0.0 {
            (value - low) / reach
        } else {
            0.0
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 7"
        )]
        let height = (share * 7.0).round() as usize;
        BARS.get(height).copied().unwrap_or(' ')
    };
    Some((cells.iter().map(bar).collect(), number(low), number(high)))
}

fn table(
    outcome: &Outcome,
    marks: Option<&Marks>,
    trips: &[(&Arc<str>, &Trip)],
    look: Look,
    out: &mut impl Write,
) -> io::Result<()> {
    let shown = if look.wide { trips.len() } else { MOST_TRIPS };
    let rows = trips.iter().take(shown).map(|(object, trip)| {
        let marks = marks.and_then(|marks| marks.get(*object));
        let sick = marks.map_or_else(Vec::new, |marks| sick(marks, outcome.to));
        let closed = match (trip.closed, trip.latched) {
            (Some(at), _) => moment(at),
            (None, true) => "latched".to_owned(),
            (None, false) => nothing(),
        };
        let is_false = marks.is_some_and(|marks| is_false(trip, marks));
        let verdict = if is_false { "false: " } else { "" };
        [
            grid::cell(object, 40),
            moment(trip.at),
            length(to_trip(trip, &sick)),
            closed,
            length(trip.closed.unwrap_or(outcome.to) - trip.at),
            trip.reopened.to_string(),
            format!("{verdict}{}", grid::cell(&trip.reason, 200)),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let head = [
        "OBJECT", "TRIPPED", "AFTER", "CLOSED", "LASTED", "REOPENED", "WHY",
    ];
    grid::write(head, &rows, out)?;
    if trips.len() > shown {
        let rest = counted((trips.len() - shown) as u64, "more trip");
        writeln!(out, "{rest}; --output wide lists all")?;
    }
    Ok(())
}

/// The figures in a sentence.
fn told(score: &Score) -> String {
    let mut parts = vec![counted(score.trips as u64, "trip")];
    if score.trips > 0 {
        parts.push(format!(
            "{} Open, {} HalfOpen",
            length(score.open),
            length(score.half_open)
        ));
    }
    if let Some(wait) = score.to_trip {
        parts.push(format!("{} to trip on average", length(wait)));
    }
    if score.suppressed > 0 {
        parts.push(format!("{} suppressed by maxOpenPercent", score.suppressed));
    }
    if score.latched > 0 {
        parts.push(format!(
            "{} latched, Open until a person acts",
            score.latched
        ));
    }
    if let Some(marked) = score.marked {
        parts.push(format!(
            "{} while marked good",
            counted(marked.false_trips as u64, "trip")
        ));
        parts.push(format!(
            "{} of {} missed",
            marked.missed,
            counted(marked.sick as u64, "sick period")
        ));
    }
    parts.join("; ")
}
