//! `fusegate gate`: what a gate answers, as an exit code for scripts, at once or as soon as it passes.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fusegate_crds::DurationText;
use http::StatusCode;
use serde_json::Value;

use crate::cli::format::{Format, Unwritten};
use crate::cli::named::Named;
use crate::cli::server::{ServerOptions, Unanswered, escaped};
use crate::runtime::clock::Clock;

/// The longest wait of one question; a longer one is asked several times.
const ONE_WAIT: Duration = Duration::from_mins(1);

const EXAMPLES: &str = "\
Exit codes:
  0  it passes
  1  nobody could be asked
  2  the command is not understood
  3  it refuses: Open
  4  it refuses: HalfOpen
  5  it can't tell: Unknown

Examples:
  fusegate gate shop/checkout && kubectl apply -f release.yaml
  fusegate gate shop/checkout --object eu-1 --wait 5m";

/// Options of `fusegate gate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Gate {
    /// The policy, as NAMESPACE/POLICY.
    #[arg(value_name = "NAMESPACE/POLICY")]
    pub policy: Named,

    /// Only the circuit of this object; else all of the policy's must pass.
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,

    /// Wait for as long as this until it passes, such as 5m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,

    /// How it is written.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,

    /// Which replica is asked.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// Nobody answered.
    #[error(transparent)]
    Server(#[from] Unanswered),
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
}

impl Gate {
    /// Writes the answer, and gives the exit code that stands for it.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the output can't be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<ExitCode, Unanswerable> {
        let clock = Clock::start();
        let answer = loop {
            let left = self.wait.map(|wait| wait.saturating_sub(clock.elapsed()));
            let answer = self.ask(left).await?;
            let passes = answer.get("passes") == Some(&Value::Bool(true));
            let mistaken = answer.get("mistake") == Some(&Value::Bool(true));
            if passes || mistaken || left.is_none_or(|left| left.is_zero()) {
                break answer;
            }
        };
        if !self.output.document(&answer, out)? {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
            writeln!(out, "{}: {}", text("verdict"), text("reason")).map_err(Unwritten::Write)?;
        }
        Ok(ExitCode::from(code(&answer)))
    }

    async fn ask(&self, left: Option<Duration>) -> Result<Value, Unanswered> {
        let path = format!(
            "v1/gate/{}/{}",
            escaped(&self.policy.namespace),
            escaped(&self.policy.name)
        );
        let wait = left.map(|left| format!("{}s", left.min(ONE_WAIT).as_millis().div_ceil(1_000)));
        let query = [
            ("object", self.object.as_deref()),
            ("wait", wait.as_deref()),
        ];
        let answer = self.server.ask(&path, &query).await?;
        match answer.status {
            StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::FAILED_DEPENDENCY => answer.read(),
            _ => Err(answer.refused()),
        }
    }
}

/// The exit code of an answer.
fn code(answer: &Value) -> u8 {
    let passes = answer.get("passes") == Some(&Value::Bool(true));
    match answer.get("state").and_then(Value::as_str) {
        _ if passes => 0,
        Some("Open") => 3,
        Some("HalfOpen") => 4,
        _ => 5,
    }
}

/// A duration as our own kinds write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration: DurationText =
        serde_json::from_value(text.into()).map_err(|error| error.to_string())?;
    let millis = duration.millis().map_err(|error| error.to_string())?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"passes": true, "state": "Closed"}), 0)]
    #[case(json!({"passes": true, "state": "Unknown"}), 0)]
    #[case(json!({"passes": false, "state": "Open"}), 3)]
    #[case(json!({"passes": false, "state": "HalfOpen"}), 4)]
    #[case(json!({"passes": false, "state": "Unknown"}), 5)]
    #[case(json!({"passes": false, "state": "Closed"}), 5)]
    fn each_state_has_an_exit_code(#[case] answer: Value, #[case] expected: u8) {
        assert_eq!(code(&answer), expected);
    }

    #[rstest]
    #[case("5m", Some(300))]
    #[case("1h30m", Some(5_400))]
    #[case("soon", None)]
    #[case("", None)]
    fn a_wait_is_written_as_in_policies(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(duration(text).ok(), expected.map(Duration::from_secs));
    }
}
