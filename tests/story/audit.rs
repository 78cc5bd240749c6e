//! The audit log as a story's tests read it: the lines of one API group, in order.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One line.
#[derive(Clone)]
pub(super) struct Line(Value);

/// As it stands in the file.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Line {
    /// A field's text; empty where the line has none.
    pub(super) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// Action, operation and verdict, by which lines are told apart.
    pub(super) fn what(&self) -> (&str, &str, &str) {
        (
            self.text("action"),
            self.text("operation"),
            self.text("verdict"),
        )
    }

    pub(super) fn is_map(&self) -> bool {
        self.text("action") == "Map"
    }

    pub(super) fn whole(&self) -> &Value {
        &self.0
    }

    /// A field as it came.
    pub(super) fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }
}

/// The lines that are about a kind of this group, its CRD or its circuits; an unfinished last line is left for later.
pub(super) fn read(path: &Path, group: &str) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).context("read the audit log")?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| {
        let value = serde_json::from_str(line).with_context(|| format!("read {line}"))?;
        anyhow::Ok(Line(value))
    });
    let lines: Vec<Line> = lines.collect::<Result<_>>()?;
    let ours = lines
        .into_iter()
        .filter(|line| line.text("resource").contains(group));
    Ok(ours.collect())
}
