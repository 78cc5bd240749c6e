//! `fusegate rollback`: gives a CRD a schema that it had, after every check that goes before a rollback.

mod order;
mod report;

use std::io::{self, Write};

use clap::Args;
use fusegate_crds::Time;

use crate::cli::definition::Undefined;
use crate::cli::rollback::report::Report;
use crate::cli::store::{Store, StoreOptions, Unread};
use crate::cli::style::Colours;
use crate::effects::delivery::Failure;
use crate::effects::folder::Folder;
use crate::effects::rollback::Place;
use crate::effects::rollback::by_person::{roll_back, try_out};
use crate::effects::rollback::stop::Stop;
use crate::runtime::clock::Clock;
use crate::wire::event::RollbackEnd;

const EXAMPLE: &str = "\
Examples:
  fusegate rollback storefronts.shop.example.com --dry-run     what each check says; nothing is written
  fusegate rollback storefronts.shop.example.com               to the schema that was live before
  fusegate rollback storefronts.shop.example.com --to 3

The checks are those of a rollback that a trip asks for, in their order, and by the same code: no tool owns the CRD, no
change does harm whatever objects there are; then a dry run at the API server, stored versions and migrations, every
object, the conversion webhook, whether the target was live here, and the cooldown.

Exit code: 0 when the CRD was rolled back, or would be; 1 when a check stops it; 2 when that can't be told.";

/// Options of `fusegate rollback`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Rollback {
    /// The CRD, `<plural>.<group>`.
    #[arg(value_name = "CRD")]
    pub crd: String,

    /// The revision to go back to; without it the one that was live before and is not marked bad.
    #[arg(long, value_name = "REVISION")]
    pub to: Option<u64>,

    /// Make every check, those after a failed one too, and write nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Where the CRD, its objects and its revisions are.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum RollbackFailure {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] Unread),
    /// There is no such CRD or revision.
    #[error(transparent)]
    Undefined(#[from] Undefined),
    /// Nothing to go back to.
    #[error(
        "no stored revision of {0} differs from the live schema and is not marked bad; `fusegate revisions {0}` lists them"
    )]
    NoTarget(String),
    /// The target is marked bad.
    #[error(
        "revision {number} of {crd} is marked bad by {trip}; if it is good after all, clear the mark (annotation fusegate.io/bad of \
         its ControllerRevision, or field bad of its file) and try again"
    )]
    MarkedBad {
        /// The CRD.
        crd: String,
        /// The revision.
        number: u64,
        /// What marked it.
        trip: String,
    },
    /// No contract names the kind.
    #[error(
        "no ConditionContract names {kind} of {crd}; its spec.rollback says which owners and which cooldown count, so create one"
    )]
    NoContract {
        /// The kind.
        kind: String,
        /// The CRD.
        crd: String,
    },
    /// What is stored can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// It isn't known how it ended.
    #[error("{0}; what was done is done, so run this again")]
    Unknown(String),
    /// The output is closed or full.
    #[error("writing the checks")]
    Write(#[from] io::Error),
}

impl Rollback {
    /// Makes the checks and rolls back; answers whether the CRD was rolled back, or would be.
    ///
    /// # Errors
    ///
    /// When the store can't be read, there is nothing to go back to, or it isn't known how it ended.
    pub async fn print(
        &self,
        colours: Colours,
        bar: bool,
        out: &mut (impl Write + Send),
    ) -> Result<bool, RollbackFailure> {
        let store = self.store.open().await?;
        let clock = Clock::start();
        let now = || Time::from_millis(clock.now().wall.0);
        let Some(order) = order::order(&store, &self.crd, self.to, clock.now().wall.0).await?
        else {
            writeln!(out, "{} has that schema already", self.crd)?;
            return Ok(true);
        };
        let place = match store {
            Store::Kube(cluster) => Place::Kube(cluster),
            Store::Dir(layout) => Place::Dir(Folder::new(layout)),
        };
        let (live, target) = (order.bad.number, order.target.number);
        writeln!(
            out,
            "{}: revision {live} (live) to revision {target}",
            self.crd
        )?;
        let mut report = Report {
            colours,
            bar,
            wants_all: self.dry_run,
            out: &mut *out,
            lines: 0,
            written: Ok(()),
        };
        let ended = if self.dry_run {
            Ended::of_trial(try_out(&place, &order, now, &mut report).await)
        } else {
            Ended::of(roll_back(&place, &order, now, &mut report).await)
        };
        let lines = report.lines;
        report.written?;
        match ended {
            Ended::Fine if self.dry_run => {
                writeln!(out, "it would be rolled back; nothing was written")?;
            }
            Ended::Fine => writeln!(out, "rolled back to revision {target}")?,
            Ended::Stopped { reason, message } => {
                // What no check says.
                if lines == 0 {
                    writeln!(out, "  {message}")?;
                }
                let would = if self.dry_run {
                    "it would not be"
                } else {
                    "not"
                };
                writeln!(out, "{would} rolled back: {reason}")?;
                return Ok(false);
            }
            Ended::Unknown(why) => return Err(RollbackFailure::Unknown(why)),
        }
        Ok(true)
    }
}

/// How it ended.
enum Ended {
    Fine,
    Stopped { reason: String, message: String },
    Unknown(String),
}

impl Ended {
    fn of(ended: Result<RollbackEnd, Failure>) -> Self {
        match ended {
            Ok(RollbackEnd::Done | RollbackEnd::Joined) => Self::Fine,
            Ok(RollbackEnd::Blocked { reason, message }) => Self::Stopped {
                reason: reason.into(),
                message: message.into(),
            },
            Ok(RollbackEnd::Contested { message }) => Self::Stopped {
                reason: "Contested".to_owned(),
                message: message.into(),
            },
            Err(Failure::Transient(why) | Failure::Permanent(why)) => Self::Unknown(why),
        }
    }

    fn of_trial(tried: Result<(), Stop>) -> Self {
        match tried {
            Ok(()) => Self::Fine,
            Err(Stop::Blocked { reason, message }) => Self::Stopped { reason, message },
            Err(Stop::Transient(why)) => Self::Unknown(why),
        }
    }
}

#[cfg(test)]
mod tests;
