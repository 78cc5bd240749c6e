//! The summary: what the story came to, in figures, and what to try next.

use std::env;
use std::time::Duration;

use jiff::SignedDuration;

use crate::harness::support::fusegate;
use crate::timeline::part;
use crate::traffic::Answers;

/// Moments are seconds of the timeline.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) release_to_trip: f64,
    pub(crate) tripped: f64,
    /// From the last status write before the trip to Envoy's first 503.
    pub(crate) write_to_shed: Duration,
    /// By the audit log.
    pub(crate) trip_to_rollback: SignedDuration,
    /// Until Alertmanager had it in its last form.
    pub(crate) trip_to_alert: SignedDuration,
    pub(crate) open_for: f64,
    pub(crate) closed: f64,
    /// Answers in the step of 10 % and in that of 50 %.
    pub(crate) admitted: [Answers; 2],
    pub(crate) search: Answers,
    pub(crate) audit_lines: usize,
}

impl Summary {
    pub(crate) fn print(&self) {
        part("Summary");
        let [ten, fifty] = self.admitted.map(Answers::percent_served);
        let all = self.search.served + self.search.shed + self.search.failed;
        let rows = [
            (
                "release to trip",
                format!(
                    "{:.1} s: three samples, a second apart",
                    self.release_to_trip
                ),
            ),
            (
                "third status write to first 503",
                format!(
                    "{} ms, at a request every 10 ms",
                    self.write_to_shed.as_millis()
                ),
            ),
            (
                "trip to schema rolled back",
                format!("{} ms", self.trip_to_rollback.as_millis()),
            ),
            (
                "trip to alert in Alertmanager",
                format!("{} ms", self.trip_to_alert.as_millis()),
            ),
            (
                "open, then trip to closed",
                format!(
                    "{:.1} s, then {:.1} s in all",
                    self.open_for,
                    self.closed - self.tripped
                ),
            ),
            (
                "let through at 10 % and 50 %",
                format!("{ten} % and {fifty} % of what was asked"),
            ),
            (
                "search, beside it all the time",
                format!("{} of {all} requests answered 200", self.search.served),
            ),
            (
                "audit lines",
                format!(
                    "{}, every sample's map, decision and effect",
                    self.audit_lines
                ),
            ),
        ];
        for (what, figure) in rows {
            println!("  {what:<34}{figure}");
        }
        println!("{}", next());
    }
}

fn next() -> String {
    let program = fusegate::program().unwrap_or_else(|_| "fusegate".into());
    let here = env::current_dir().unwrap_or_default();
    let program = program.strip_prefix(here).unwrap_or(&program).display();
    format!(
        "
What to try next
  make demo HOLD=1
      the same, and everything keeps running: open its page in a browser and look at the trip, how its
      values crossed the threshold, what was done about it in order, and the two schemas under Contracts
  {program} check tests/demo/files
      validates the files of this demo: break one and see
  {program} run --help
      every option; --source dir:PATH needs no Kubernetes
  {program} crds
      the CRDs, for kubectl apply -f -
  deploy/README.md
      manifests, an Envoy bootstrap, alert rules, and examples for Flagger and Argo Rollouts"
    )
}
