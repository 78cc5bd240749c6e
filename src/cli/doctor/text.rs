//! Findings, as people read them.

use std::io::{self, Write};

use anstyle::AnsiColor;

use crate::cli::format::Format;
use crate::cli::style::Colours;
use crate::doctor::{Finding, Severity};

/// Whether a finding is more than a note.
pub(super) fn counts(finding: &Finding) -> bool {
    finding.severity != Severity::Note
}

pub(super) fn write(
    found: &[Finding],
    format: Format,
    colours: Colours,
    out: &mut impl Write,
) -> io::Result<()> {
    let told = |finding: &&Finding| format == Format::Wide || counts(finding);
    for finding in found.iter().filter(told) {
        let colour = match finding.severity {
            Severity::Critical => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Note => AnsiColor::Cyan,
        };
        let head = format!("{:?} {}", finding.severity, finding.code);
        let head = colours.paint(colour, &head);
        writeln!(out, "{head}  {}", plain(&finding.about))?;
        writeln!(out, "  {}", plain(&finding.message))?;
        writeln!(out, "  what to do: {}", finding.advice)?;
    }
    let of = |severity| {
        found
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    if !found.iter().any(counts) {
        let notes = match of(Severity::Note) {
            0 => String::new(),
            notes => format!(" ({notes} notes; --output wide tells them)"),
        };
        return writeln!(out, "nothing is wrong{notes}");
    }
    let (critical, warnings) = (of(Severity::Critical), of(Severity::Warning));
    writeln!(out, "{critical} critical, {warnings} warnings")
}

/// What comes from outside has no effect on a terminal.
fn plain(text: &str) -> String {
    let clean = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    clean.collect()
}
