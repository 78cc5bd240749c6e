//! `fusegate status`: how the circuits stand, of all policies or of one, once or for as long as one looks.

mod table;

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cli::format::{Format, Unwritten};
use crate::cli::server::{ServerOptions, Unanswered};

/// The circuits of one question.
const PAGE: &str = "1000";

/// How often it is looked anew.
const LOOKED_AT: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  fusegate status                                   every circuit
  fusegate status shop/checkout --watch             those of a policy, told anew with each change
  fusegate status --state Troubled --output wide    those that are not Closed and at rest
  fusegate status shop --output json                those of a namespace, with everything that is known of them";

/// Options of `fusegate status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    /// A namespace, or a policy as NAMESPACE/POLICY; all of them when left out.
    #[arg(value_name = "NAMESPACE[/POLICY]")]
    pub of: Option<String>,

    /// Only circuits that stand so: Closed, Open, `HalfOpen`, Armed, Latched, Suppressed, Overridden, or Troubled for
    /// any but those that are Closed and at rest.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,

    /// Tell it anew with each change, until interrupted.
    #[arg(long, short)]
    pub watch: bool,

    /// How it is written.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,

    /// Which replica is asked.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Nobody told.
    #[error(transparent)]
    Server(#[from] Unanswered),
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
    /// The answer is not what this version knows.
    #[error("the answer is of another version of fusegate")]
    Read(#[from] serde_json::Error),
}

/// A page, as it is answered.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Value>,
    r#continue: Option<String>,
}

impl Status {
    /// Tells how the circuits stand.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the output can't be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Untold> {
        let mut told = None;
        loop {
            let text = self.text(&self.ask().await?)?;
            if told.as_ref() != Some(&text) {
                if told.is_some() {
                    writeln!(out).map_err(Unwritten::Write)?;
                }
                out.write_all(&text).map_err(Unwritten::Write)?;
                out.flush().map_err(Unwritten::Write)?;
            }
            if !self.watch {
                return Ok(());
            }
            told = Some(text);
            sleep(LOOKED_AT).await;
        }
    }

    fn text(&self, items: &[Value]) -> Result<Vec<u8>, Untold> {
        let mut text = Vec::new();
        if !self
            .output
            .document(&json!({ "items": items }), &mut text)?
        {
            table::write(items, self.output, &mut text)?;
        }
        Ok(text)
    }

    async fn ask(&self) -> Result<Vec<Value>, Unanswered> {
        let (namespace, policy) = match &self.of {
            None => (None, None),
            Some(of) => match of.split_once('/') {
                Some((namespace, policy)) => (Some(namespace), Some(policy)),
                None => (Some(of.as_str()), None),
            },
        };
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let query = [
                ("namespace", namespace),
                ("policy", policy),
                ("state", self.state.as_deref()),
                ("limit", Some(PAGE)),
                ("continue", after.as_deref()),
            ];
            let page: Page = self.server.get("v1/circuits", &query).await?;
            all.extend(page.items);
            after = page.r#continue;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

#[cfg(test)]
mod tests;
