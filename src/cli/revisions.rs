//! `fusegate revisions`: the schemas that a CRD has had, and any one of them as YAML.

use std::io::{self, Write};

use clap::Args;
use fusegate_crds::Time;
use serde_json::{Value, json};

use crate::cli::definition::Undefined;
use crate::cli::diff::Format;
use crate::cli::store::{StoreOptions, Unread};
use crate::revision::change::Class;
use crate::revision::compare::compare;
use crate::revision::hash;
use crate::wire::event::Revision;

const EXAMPLE: &str = "\
Examples:
  fusegate revisions storefronts.shop.example.com
  fusegate revisions storefronts.shop.example.com --show 3 > crd.yaml

CHANGE is the worst class of what changed since the revision above it, see `fusegate diff --help`.";

/// Options of `fusegate revisions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Revisions {
    /// The CRD, `<plural>.<group>`.
    #[arg(value_name = "CRD")]
    pub crd: String,

    /// Print this revision as a CRD that can be applied.
    #[arg(long, value_name = "REVISION")]
    pub show: Option<u64>,

    /// How the list is written.
    #[arg(long, short, default_value = "text", value_name = "FORMAT")]
    pub output: Format,

    /// Where the revisions are.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum RevisionsFailure {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] Unread),
    /// No such revision.
    #[error(transparent)]
    Undefined(#[from] Undefined),
    /// Nothing is stored.
    #[error(
        "no revision of {0} is stored; fusegate keeps those of kinds that a ConditionContract names"
    )]
    None(String),
    /// The output is closed or full.
    #[error("writing the revisions")]
    Write(#[from] io::Error),
    /// The output, as JSON.
    #[error("writing the revisions as JSON")]
    Encode(#[from] serde_json::Error),
    /// The output, as YAML.
    #[error("writing the revision as YAML: {0}")]
    Yaml(String),
}

/// A line of the list.
struct Line<'a> {
    revision: &'a Revision,
    live: bool,
    change: Option<Class>,
}

impl Revisions {
    /// Writes the list, or one revision.
    ///
    /// # Errors
    ///
    /// When the store can't be read or has no such revision, or the output not be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), RevisionsFailure> {
        let store = self.store.open().await?;
        let revisions = store.revisions(&self.crd).await?;
        if revisions.is_empty() {
            return Err(RevisionsFailure::None(self.crd.clone()));
        }
        if let Some(number) = self.show {
            return self.show(&revisions, number, out);
        }
        let live = store.live(&self.crd).await?;
        let live_hash = live.and_then(|live| live.get("spec").map(hash));
        let lines = lines(&revisions, live_hash.as_deref());
        match self.output {
            Format::Json => {
                let list: Vec<_> = lines.iter().map(Line::json).collect();
                serde_json::to_writer_pretty(&mut *out, &json!({"items": list}))?;
                writeln!(out)?;
            }
            Format::Text => write(&lines, out)?,
        }
        Ok(())
    }

    fn show(
        &self,
        revisions: &[Revision],
        number: u64,
        out: &mut impl Write,
    ) -> Result<(), RevisionsFailure> {
        let found = revisions.iter().find(|found| found.number == number);
        let found = found.ok_or_else(|| Undefined::NoRevision {
            crd: self.crd.clone(),
            number,
        })?;
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd},
            "spec": found.spec,
        });
        if self.output == Format::Json {
            serde_json::to_writer_pretty(&mut *out, &object)?;
            writeln!(out)?;
            return Ok(());
        }
        let yaml = serde_saphyr::to_string(&object)
            .map_err(|error| RevisionsFailure::Yaml(error.to_string()))?;
        writeln!(out, "{}", yaml.trim_end())?;
        Ok(())
    }
}

fn lines<'a>(revisions: &'a [Revision], live_hash: Option<&str>) -> Vec<Line<'a>> {
    let before = std::iter::once(None).chain(revisions.iter().map(Some));
    let line = |(revision, before): (&'a Revision, Option<&Revision>)| Line {
        revision,
        live: live_hash == Some(&*revision.hash),
        change: before.and_then(|before| compare(&before.spec, &revision.spec, None).worst()),
    };
    revisions.iter().zip(before).map(line).collect()
}

impl Line<'_> {
    fn cells(&self) -> [String; 6] {
        let revision = self.revision;
        [
            revision.number.to_string(),
            revision.hash.chars().take(12).collect(),
            self.seen().unwrap_or_default(),
            if self.live { "live" } else { "" }.to_owned(),
            revision
                .bad
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            self.change.map_or("", Class::name).to_owned(),
        ]
    }

    fn seen(&self) -> Option<String> {
        let time = Time::from_millis(self.revision.seen_at)?;
        serde_json::to_value(time).ok()?.as_str().map(str::to_owned)
    }

    fn json(&self) -> Value {
        json!({
            "revision": self.revision.number,
            "hash": self.revision.hash,
            "lastLive": self.seen(),
            "live": self.live,
            "bad": self.revision.bad,
            "change": self.change.map(Class::name),
        })
    }
}

fn write(lines: &[Line<'_>], out: &mut impl Write) -> io::Result<()> {
    let head = [
        "REVISION",
        "HASH",
        "LAST LIVE",
        "STATE",
        "MARKED BAD BY",
        "CHANGE",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(lines.iter().map(Line::cells));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
