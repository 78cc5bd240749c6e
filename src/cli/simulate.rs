//! `fusegate simulate`: what a policy would have done with what was observed.
//!
//! The engine decides, as it does in the controller; nothing here judges.

mod csv_file;
mod document;
mod failure;
mod metered;
mod observed;
mod outcome;
mod player;
mod progress;
mod recorded;
mod report;
mod rows;
mod subject;
mod svg;
mod sweep;
mod table;
mod text;
mod timeline;
mod track;

use std::convert::Infallible;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::cli::format::{Format, Unwritten};
use crate::cli::gate::duration;
use crate::cli::named::Named;
use crate::cli::simulate::observed::Observed;
use crate::cli::simulate::progress::Progress;
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::timeline::Look;
use crate::cli::style::Colours;
use crate::runtime::clock::Clock;
use crate::runtime::server_url::ServerUrl;
use crate::source::prometheus::range::{Range, RangeClient};

pub use failure::SimulateFailure;
pub use sweep::Axis;

const EXAMPLES: &str = "\
Examples:
  fusegate simulate policies/ --from latency.csv
  fusegate simulate policies/ --from latency.csv --sweep consecutive=2..5,above=200ms..400ms
  fusegate simulate policies/ --from recording.jsonl --plot incident.svg
  fusegate simulate policies/ --from prometheus --prometheus http://prometheus:9090 --start 2026-11-01T00:00:00Z

A CSV file has a column `time` (2026-11-22T14:05:28Z, or seconds since 1970), a column for each key of the contract that
it tells of, and, if you like, `object` (the name of the object) and `mark` (good or bad: whether the object was sick).
Rows are sorted by time, and each is one report. An empty cell says that the object did not report the key.

A range of --sweep has five values, and one of `consecutive` every whole number; /STEP says how far apart they are:
above=200ms..400ms/25ms. Where several rules have the field, KEY.above names the rule's condition.";

/// Options of `fusegate simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
    /// The files of the policy and its contract, or directories of them, as `fusegate check` reads them.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What was observed: a CSV file, a recording (`fusegate run --record`), or `prometheus` for what Prometheus remembers
    /// of the contract's own queries.
    #[arg(long, value_name = "FILE|prometheus")]
    pub from: Origin,

    /// The policy, where the files have several.
    #[arg(long, value_name = "NAMESPACE/POLICY")]
    pub policy: Option<Named>,

    /// Compare settings: every combination of these ranges, 100 at most.
    #[arg(long, value_delimiter = ',', value_name = "FIELD=FROM..TO[/STEP]")]
    pub sweep: Vec<Axis>,

    /// Draw it as an SVG as well.
    #[arg(long, value_name = "FILE", conflicts_with = "sweep")]
    pub plot: Option<PathBuf>,

    /// The Prometheus that is asked.
    #[arg(
        long,
        env = "FUSEGATE_PROMETHEUS",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub prometheus: Option<ServerUrl>,

    /// How Prometheus is reached: a YAML file as for `fusegate run --prometheus-http-config`.
    #[arg(long, env = "FUSEGATE_PROMETHEUS_HTTP_CONFIG", value_name = "FILE")]
    pub prometheus_http_config: Option<PathBuf>,

    /// From when on Prometheus is asked; a day before `--end` when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub start: Option<i64>,

    /// Until when; now when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub end: Option<i64>,

    /// How far its moments are apart; the shortest interval of the contract's queries when left out.
    #[arg(long, value_name = "DURATION", value_parser = step)]
    pub step: Option<Duration>,

    /// How it is written.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
}

/// Where observations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Prometheus.
    Prometheus,
}

impl FromStr for Origin {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "prometheus" => Self::Prometheus,
            file => Self::File(file.into()),
        })
    }
}

/// What the output looks like, and whether there is a bar.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Colours of the output.
    pub colours: Colours,
    /// Its width in characters.
    pub width: usize,
    /// Whether standard error shows how far it has come.
    pub bar: bool,
}

impl Simulate {
    /// Simulates, and writes what came of it.
    ///
    /// # Errors
    ///
    /// When policy, contract or observations can't be read, or the output can't be written.
    pub async fn print(&self, screen: Screen, out: &mut impl Write) -> Result<(), SimulateFailure> {
        let subject = Subject::read(&self.files, self.policy.as_ref(), io::stdin().lock())?;
        let observed = self.observed(&subject).await?;
        if self.sweep.is_empty() {
            self.once(&subject, &observed, screen, out)
        } else {
            self.compared(&subject, &observed, screen, out)
        }
    }

    async fn observed(&self, subject: &Subject) -> Result<Observed, SimulateFailure> {
        let path = match &self.from {
            Origin::File(path) => path,
            Origin::Prometheus => return self.remembered(subject).await.map(Observed::Table),
        };
        if self.start.is_some() || self.end.is_some() || self.step.is_some() {
            let why = "--start, --end and --step are of `--from prometheus`; leave them out";
            return Err(SimulateFailure::Option(why.to_owned()));
        }
        Observed::read(path, subject)
    }

    async fn remembered(&self, subject: &Subject) -> Result<table::Table, SimulateFailure> {
        const DAY: i64 = 86_400_000;
        let Some(url) = self.prometheus.clone() else {
            let why = "--from prometheus needs --prometheus URL";
            return Err(SimulateFailure::Option(why.to_owned()));
        };
        let url = url.with_options_in(self.prometheus_http_config.clone());
        let end = self.end.unwrap_or_else(|| Clock::start().now().wall.0);
        let start = self.start.unwrap_or(end - DAY);
        if start >= end {
            let why = "--start lies behind --end; exchange them";
            return Err(SimulateFailure::Option(why.to_owned()));
        }
        let step = self
            .step
            .map(|step| i64::try_from(step.as_millis()).unwrap_or(i64::MAX));
        // The range query takes whole seconds.
        let [start, end] = [start, end].map(|at| at.div_euclid(1_000) * 1_000);
        let range = Range {
            start,
            end,
            step: 0,
        };
        metered::read(&RangeClient::new(url)?, subject, range, step).await
    }

    fn once(
        &self,
        subject: &Subject,
        observed: &Observed,
        screen: Screen,
        out: &mut impl Write,
    ) -> Result<(), SimulateFailure> {
        let progress = Progress::new(observed.steps(), screen.bar);
        let outcome = player::play(subject, &subject.policy, observed, &progress);
        drop(progress);
        if let Some(path) = &self.plot {
            let policy = subject
                .lower(&subject.policy)
                .map_err(SimulateFailure::Problems)?;
            let title = format!("CircuitPolicy {}", subject.name);
            let written = fs::write(path, svg::plot(&title, &policy, &outcome));
            written.map_err(|source| SimulateFailure::Plot {
                path: path.clone(),
                source,
            })?;
        }
        let marks = observed.marks();
        let document = document::of_outcome(subject, observed, &outcome, marks.as_ref());
        if !self.output.document(&document, out)? {
            let look = Look {
                colours: screen.colours,
                width: screen.width,
                wide: self.output == Format::Wide,
            };
            let written = timeline::write(subject, observed, &outcome, marks.as_ref(), look, out);
            written.map_err(Unwritten::Write)?;
        }
        Ok(())
    }

    fn compared(
        &self,
        subject: &Subject,
        observed: &Observed,
        screen: Screen,
        out: &mut impl Write,
    ) -> Result<(), SimulateFailure> {
        let settings = sweep::settings(&self.sweep, subject).map_err(SimulateFailure::Option)?;
        let progress = Progress::new(observed.steps() * settings.len() as u64, screen.bar);
        let marks = observed.marks();
        let mut circuits = 0;
        let mut scores = Vec::new();
        for setting in settings {
            let outcome = player::play(subject, &setting.policy, observed, &progress);
            circuits = outcome.tracks.len();
            scores.push((setting, outcome.score(marks.as_ref())));
        }
        drop(progress);
        let document = document::of_sweep(subject, observed, &scores);
        if !self.output.document(&document, out)? {
            let written = timeline::write_sweep(subject, observed, circuits, &scores, out);
            written.map_err(Unwritten::Write)?;
        }
        Ok(())
    }
}

fn time(text: &str) -> Result<i64, String> {
    let time = csv_file::time(text);
    time.ok_or_else(|| "write it as 2026-11-22T14:05:28Z, or as seconds since 1970".to_owned())
}

/// How far moments are apart.
fn step(text: &str) -> Result<Duration, String> {
    let step = duration(text)?;
    if step.is_zero() || step.subsec_millis() > 0 {
        return Err("write whole seconds, 1s at least".to_owned());
    }
    Ok(step)
}

#[cfg(test)]
mod tests;
