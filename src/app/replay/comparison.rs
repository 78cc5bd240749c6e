//! The comparison of a replay with the audit log of the run: each line that is another one now, with the rule that has changed.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use anyhow::Context as _;
use fusegate_crds::Time;
use serde_json::Value;

use crate::app::replay::moment::moment;
use crate::recording::rules;

/// The most objects of which it is remembered that something of them differed.
const MOST_OBJECTS: usize = 100_000;

/// The audit log of the run, read as far as the replay has come.
pub(super) struct Comparison<R> {
    log: R,
    /// The next line, with its time.
    next: Option<(i64, Value)>,
    begun: bool,
    /// What the replay produced at one time of the clock, over all turns of that time.
    wall: i64,
    now: Vec<Value>,
    /// Which rules the recording was made by.
    known: u32,
    /// When an object's lines first differed.
    differed: BTreeMap<String, i64>,
    pub(super) differences: u64,
}

impl<R: BufRead> Comparison<R> {
    /// With a log that may have been begun before the run, and go on after it.
    pub(super) fn of(log: R, known: u32) -> Self {
        Self {
            log,
            next: None,
            begun: false,
            wall: i64::MIN,
            now: Vec::new(),
            known,
            differed: BTreeMap::new(),
            differences: 0,
        }
    }

    /// Takes the lines of one more turn, and writes the differences of those before it.
    pub(super) fn turn(
        &mut self,
        wall: i64,
        lines: &[u8],
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        if wall != self.wall {
            self.settle(out)?;
            self.wall = wall;
        }
        for line in lines.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                self.now.push(serde_json::from_slice(line)?);
            }
        }
        Ok(())
    }

    /// Writes the differences at the time that has been collected.
    pub(super) fn settle(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut now = std::mem::take(&mut self.now);
        let mut then = self.then()?;
        then.retain(|line| match now.iter().position(|other| other == line) {
            Some(same) => {
                now.remove(same);
                false
            }
            None => true,
        });
        for line in then {
            let pair = now
                .iter()
                .position(|other| subject(other) == subject(&line));
            let pair = pair.map(|at| now.remove(at));
            self.write(Some(&line), pair.as_ref(), out)?;
        }
        for line in now {
            self.write(None, Some(&line), out)?;
        }
        Ok(())
    }

    /// The lines of the log that bear the time which has been collected.
    fn then(&mut self) -> anyhow::Result<Vec<Value>> {
        let mut lines = Vec::new();
        if self.wall == i64::MIN {
            return Ok(lines);
        }
        loop {
            if self.next.is_none() {
                self.next = self.read()?;
            }
            match self.next.take() {
                // What was written before the run.
                Some((at, _)) if !self.begun && at < self.wall => {}
                Some((at, line)) if at == self.wall || (self.begun && at < self.wall) => {
                    self.begun = true;
                    lines.push(line);
                }
                later => {
                    self.next = later;
                    return Ok(lines);
                }
            }
        }
    }

    fn read(&mut self) -> anyhow::Result<Option<(i64, Value)>> {
        let mut text = String::new();
        loop {
            text.clear();
            if self
                .log
                .read_line(&mut text)
                .context("reading the audit log")?
                == 0
            {
                return Ok(None);
            }
            // A line that a kill cut off is none, and one of another program is none of ours.
            let mut line: Option<Value> = serde_json::from_str(&text).ok();
            if let Some(Value::Object(fields)) = &mut line {
                // A replay traces nothing.
                fields.remove("trace_id");
            }
            let at = line.as_ref().and_then(|line| line["time"].as_str());
            if let Some(at) = at.and_then(Time::parse) {
                return Ok(line.map(|line| (at.millis(), line)));
            }
        }
    }

    fn write(
        &mut self,
        then: Option<&Value>,
        now: Option<&Value>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.differences += 1;
        let about = now.or(then).map(subject).unwrap_or_default();
        writeln!(out, "{} {} {}", moment(self.wall), about.0, about.1)?;
        for (when, line) in [("then", then), ("now", now)] {
            let text = line.map_or_else(|| "no such line".to_owned(), shown);
            writeln!(out, "  {when:4}: {text}")?;
        }
        writeln!(out, "  why : {}", self.why(&about.1, then, now))?;
        if self.differed.len() < MOST_OBJECTS {
            self.differed.entry(about.1).or_insert(self.wall);
        }
        Ok(())
    }

    /// The changed rules that explain a difference, or what it follows from.
    fn why(&self, object: &str, then: Option<&Value>, now: Option<&Value>) -> String {
        let rules = rules::since(self.known).filter(|rule| rule.explains(then, now));
        let titles: Vec<String> = rules
            .map(|rule| format!("rule {} has changed: {}", rule.number, rule.title))
            .collect();
        match (titles.is_empty(), self.differed.get(object)) {
            (false, _) => titles.join("; and "),
            (true, Some(first)) => format!(
                "follows from what differs of the same object at {}",
                moment(*first)
            ),
            (true, None) => {
                "no rule that has changed explains it; if both versions are the same, please report it".to_owned()
            }
        }
    }
}

/// What a line is about: the action, and the object.
fn subject(line: &Value) -> (String, String) {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    (text("action").to_owned(), text("resource").to_owned())
}

/// What was decided, in one line.
fn shown(line: &Value) -> String {
    let parts = ["operation", "verdict", "policy", "trip_id", "reason"];
    let parts = parts.iter().filter_map(|name| line[*name].as_str());
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of the log at a second of a minute.
    fn line(second: u32, action: &str, verdict: &str, reason: &str) -> String {
        format!(
            "{{\"time\":\"2026-11-20T10:00:{second:02}.000Z\",\"action\":\"{action}\",\"resource\":\"Shop.x/shop/eu-1\",\"verdict\":\"{verdict}\",\"reason\":\"{reason}\"}}\n"
        )
    }

    fn wall(second: u32) -> i64 {
        let time = format!("2026-11-20T10:00:{second:02}.000Z");
        Time::parse(&time).unwrap().millis()
    }

    /// What is told of a log, and the turns of a replay.
    fn told(log: &str, known: u32, turns: &[(u32, String)]) -> (String, u64) {
        let mut comparison = Comparison::of(log.as_bytes(), known);
        let mut out = Vec::new();
        for (second, lines) in turns {
            let turn = comparison.turn(wall(*second), lines.as_bytes(), &mut out);
            turn.unwrap();
        }
        comparison.settle(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), comparison.differences)
    }

    #[test]
    fn a_line_that_is_another_one_now_is_told_with_the_rule_that_changed() {
        let illegal = "key a has a number as message; write text";
        let log = [
            line(1, "Map", "Published", "of a run before"),
            line(5, "Map", "Rejected", illegal),
            line(6, "State", "Enforced", "illegal updates, 3 times in a row"),
            line(9, "Map", "Published", "of a run after"),
        ];
        let turns = [
            (4, String::new()),
            (5, line(5, "Map", "Published", "")),
            (6, String::new()),
        ];
        let (told, differences) = told(&log.concat(), 0, &turns);
        assert_eq!(differences, 2);
        let expected = [
            "2026-11-20T10:00:05.000Z Map Shop.x/shop/eu-1",
            "  then: Rejected key a has a number as message; write text",
            "  now : Published ",
            "  why : rule 1 has changed: what no rule judges makes nothing illegal",
            "2026-11-20T10:00:06.000Z State Shop.x/shop/eu-1",
            "  then: Enforced illegal updates, 3 times in a row",
            "  now : no such line",
        ];
        let mut lines = told.lines();
        for expected in expected {
            let line = lines.next().unwrap();
            assert!(line.starts_with(expected), "{line}");
        }
    }

    #[test]
    fn lines_that_are_the_same_are_not_told_however_many_turns_share_a_time() {
        let lines = [1, 2].map(|number| line(5, "Map", "Published", &number.to_string()));
        let turns = lines.clone().map(|line| (5, line));
        assert_eq!(told(&lines.concat(), 0, &turns), (String::new(), 0));
    }

    #[test]
    fn what_no_changed_rule_explains_is_told_to_be_so() {
        let log = line(5, "Map", "Published", "") + &line(6, "Map", "Published", "");
        let turns = [5, 6].map(|second| (second, line(second, "Map", "Frozen", "")));
        let (told, _) = told(&log, rules::newest(), &turns);
        let mut why = told.lines().filter(|line| line.starts_with("  why"));
        assert!(why.next().unwrap().contains("no rule that has changed"));
        let follows = "follows from what differs of the same object at 2026-11-20T10:00:05.000Z";
        assert!(why.next().unwrap().ends_with(follows));
    }
}
