//! Findings for people: a line for each, then why each rule that found something matters.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};

use anstyle::AnsiColor;

use crate::cli::lint::Linted;
use crate::cli::lint::line::Lines;
use crate::cli::style::Colours;
use crate::lint::{Finding, Rule};

/// Writes the findings.
pub(super) fn write(linted: &[Linted], colours: Colours, out: &mut impl Write) -> io::Result<()> {
    let mut counts: BTreeMap<Rule, usize> = BTreeMap::new();
    for one in linted {
        let text = one.text();
        let lines = one.lines(text.as_deref());
        for finding in &one.report.findings {
            *counts.entry(finding.rule).or_default() += 1;
            let place = one.place(lines.as_ref(), finding);
            let rule = colours.paint(AnsiColor::Yellow, finding.rule.name());
            let told = finding.detail.as_deref().unwrap_or(finding.rule.mend());
            writeln!(out, "{place}: {}: {rule}: {told}", finding.path)?;
        }
        if one.report.omitted > 0 {
            writeln!(
                out,
                "{}: and {} more",
                one.definition.name, one.report.omitted
            )?;
        }
    }
    for (rule, count) in &counts {
        writeln!(
            out,
            "\n{} ({count}): {}",
            colours.bold(rule.name()),
            rule.why()
        )?;
    }
    let total: usize = counts.values().sum();
    if total > 0 {
        writeln!(out)?;
    }
    writeln!(
        out,
        "{}, {}",
        counted(linted.len(), "definition"),
        counted(total, "finding")
    )
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

impl Linted {
    /// The text of the file that the definition is in.
    pub(super) fn text(&self) -> Option<String> {
        let (path, _) = self.definition.file.as_ref()?;
        fs::read_to_string(path).ok()
    }

    pub(super) fn lines<'a>(&self, text: Option<&'a str>) -> Option<Lines<'a>> {
        let (_, document) = self.definition.file.as_ref()?;
        Some(Lines::of(text?, *document))
    }

    /// `FILE:LINE`, or where else the definition comes from.
    fn place(&self, lines: Option<&Lines<'_>>, finding: &Finding) -> String {
        let Some((path, _)) = &self.definition.file else {
            return format!("{} ({})", self.definition.name, self.definition.origin);
        };
        match line(lines, finding) {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        }
    }
}

/// The line of a finding.
pub(super) fn line(lines: Option<&Lines<'_>>, finding: &Finding) -> Option<usize> {
    lines?.find(&format!("/spec{}", finding.pointer))
}
