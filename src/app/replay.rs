//! The replay: runs a recording through a new engine, without effects.

mod comparison;
mod layers;
mod moment;
mod player;
mod story;

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::app::replay::comparison::Comparison;
use crate::app::replay::player::{Difference, Player};
use crate::app::replay::story::{Story, Subject};
use crate::cli::replay::Replay;
use crate::recording::line::{Header, Turn, Why};
use crate::recording::reader::{Ending, Reader};
use crate::recording::rules;

/// A recording in a file.
type Recorded = Reader<BufReader<File>>;

/// Replays a recording. Writes the requested output to `out` and the summary to `told`; returns whether every
/// turn produced what was recorded.
///
/// # Errors
///
/// When the recording can't be read to its end. Everything before that was replayed and written.
pub fn replay(
    options: &Replay,
    out: &mut impl Write,
    told: &mut impl Write,
) -> anyhow::Result<bool> {
    if let Some(log) = &options.audit {
        return compare(&options.file, log, out, told);
    }
    let mut recorded = open(&options.file)?;
    let mut shown = Shown::of(options)?;
    let mut player = Player::new(recorded.header());
    let outcome = play(&mut recorded, &mut player, |turn, player| {
        shown.turn(turn, player, out)
    });
    if options.snapshot {
        layers::write(&player.store, out).context("writing the layers")?;
    }
    out.flush().context("writing the replay")?;
    player.summary(told)?;
    if let Some(difference) = outcome? {
        writeln!(told, "{difference}")?;
        versions(recorded.header(), told)?;
        writeln!(
            told,
            "give the audit log of that run as --audit to see each line that differs, and why"
        )?;
        return Ok(false);
    }
    writeln!(told, "{}", ending(&recorded))?;
    writeln!(told, "every turn produced what was recorded")?;
    Ok(true)
}

/// Replays to the end, and writes each audit line that differs from that of the run; returns whether none does.
fn compare(
    file: &Path,
    log: &Path,
    out: &mut impl Write,
    told: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut recorded = open(file)?;
    let name = log.display();
    let opened = File::open(log).with_context(|| {
        format!("{name}: can't be opened; give the audit log that was written beside the recording")
    })?;
    let header = recorded.header().clone();
    let mut player = Player::new(&header);
    let mut comparison = Comparison::of(BufReader::new(opened), header.rules);
    let outcome = play(&mut recorded, &mut player, |turn, player| {
        let wall = turn.wall;
        let _differs = player.turn(turn);
        comparison.turn(wall, player.tally.lines(), out)?;
        Ok(None)
    });
    comparison.settle(out)?;
    out.flush().context("writing the comparison")?;
    player.summary(told)?;
    outcome?;
    writeln!(told, "{}", ending(&recorded))?;
    if comparison.differences == 0 {
        writeln!(told, "every audit line is the same")?;
        return Ok(true);
    }
    writeln!(
        told,
        "{} audit lines differ; what came of them then, a rollback for instance, is in the recording as it was",
        comparison.differences
    )?;
    versions(&header, told)?;
    Ok(false)
}

/// Says which versions decided, and which rules have changed between them.
fn versions(header: &Header, told: &mut impl Write) -> std::io::Result<()> {
    let (then, now) = (&header.version, env!("CARGO_PKG_VERSION"));
    writeln!(
        told,
        "recorded by fusegate {then}, replayed by fusegate {now}"
    )?;
    for rule in rules::since(header.rules) {
        writeln!(
            told,
            "rule {} has changed since: {}",
            rule.number, rule.title
        )?;
    }
    Ok(())
}

/// What to write of each turn.
enum Shown {
    Audit,
    Story(Box<Story>),
    Nothing,
}

impl Shown {
    fn of(options: &Replay) -> anyhow::Result<Self> {
        Ok(match &options.trip {
            Some(trip) => Self::Story(Box::new(Story::of(find(&options.file, trip)?))),
            None if options.snapshot || options.quiet => Self::Nothing,
            None => Self::Audit,
        })
    }

    /// Plays a turn and writes its output.
    fn turn(
        &mut self,
        turn: Turn,
        player: &mut Player,
        out: &mut impl Write,
    ) -> anyhow::Result<Option<Difference>> {
        let writing = "writing the replay";
        if let Self::Story(story) = self {
            story.events(&turn, out).context(writing)?;
        }
        let difference = player.turn(turn);
        match self {
            Self::Audit => out.write_all(player.tally.lines()).context(writing)?,
            Self::Story(story) => story.lines(player, out).context(writing)?,
            Self::Nothing => {}
        }
        Ok(difference)
    }
}

/// Plays to the end, or to the first turn that differs.
fn play(
    recorded: &mut Recorded,
    player: &mut Player,
    mut each: impl FnMut(Turn, &mut Player) -> anyhow::Result<Option<Difference>>,
) -> anyhow::Result<Option<Difference>> {
    while let Some(turn) = recorded.turn()? {
        let difference = each(turn, player)?;
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

/// Finds the subject of a trip, in a separate replay.
fn find(file: &Path, trip: &str) -> anyhow::Result<Subject> {
    let mut recorded = open(file)?;
    let mut player = Player::new(recorded.header());
    let mut subject = None;
    // A failure or a difference is reported by the replay that is shown.
    let _ = play(&mut recorded, &mut player, |turn, player| {
        let difference = player.turn(turn);
        subject = subject
            .take()
            .or_else(|| Subject::of(trip, &player.effects));
        Ok(difference)
    });
    subject.with_context(|| {
        format!("no circuit tripped with the id {trip} in this recording; the audit log names the trips, and when they were, and the runs before this one are in the files that end in `.1` and `.2`")
    })
}

fn open(file: &Path) -> anyhow::Result<Recorded> {
    let name = file.display();
    let opened = File::open(file).with_context(|| {
        format!("{name}: can't be opened; give a file that exists and is readable")
    })?;
    Reader::open(BufReader::new(opened)).with_context(|| name.to_string())
}

/// Describes how the recording ends.
fn ending(recorded: &Recorded) -> String {
    match recorded.ending() {
        Ending::Closed(Why::Stopped) => "the recording is closed: fusegate was stopped".to_owned(),
        Ending::Closed(Why::Limit) => {
            "the recording ends at its limit (--record-limit); fusegate went on without it"
                .to_owned()
        }
        Ending::Open => {
            "the recording has no closing line: fusegate still runs or was killed, or the file was cut off there"
                .to_owned()
        }
        Ending::Torn(bytes) => format!(
            "the recording ends in the middle of a line, whose {bytes} bytes were left out: fusegate still runs or was killed, or the file was cut off there"
        ),
    }
}

#[cfg(test)]
mod tests;
