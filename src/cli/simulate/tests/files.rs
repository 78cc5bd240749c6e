//! The files of a simulation, in a folder of their own.

use std::error::Error as _;
use std::fs;

use clap::Parser as _;
use tempfile::TempDir;

use crate::cli::simulate::Screen;
use crate::cli::style::Colours;
use crate::cli::{Cli, Command};

const CONTRACT: &str = r#"
apiVersion: fusegate.io/v1alpha1
kind: ConditionContract
metadata: {name: storefronts.shop.example.com}
spec:
  target: {group: shop.example.com, kind: Storefront}
  conditions:
  - {key: network-latency, type: Duration, minimum: 0s, maximum: 60s}
  - key: error-rate
    type: Number
    from: {prometheus: {query: up, object: {namespace: namespace, name: app}}}
  - {key: broken, type: Boolean, from: {cel: "object.status.phase == 'Broken'"}}
  rollback: {mode: "Off"}
"#;

pub(super) const POLICY: &str = "\
apiVersion: fusegate.io/v1alpha1
kind: CircuitPolicy
metadata: {name: checkout, namespace: shop}
spec:
  contract: storefronts.shop.example.com
  selector: {matchLabels: {tier: gold}}
  mode: Enforce
  trip: {when: [{condition: network-latency, above: 250ms, clearBelow: 200ms}], consecutive: 3, resample: 0s}
";

/// A contract, a policy, and observations.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn with(policy: &str, rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        for (name, text) in [
            ("policies/contract.yaml", CONTRACT),
            ("policies/policy.yaml", policy),
            ("o.csv", rows),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// What is written, or what is said of why not.
    pub(super) async fn simulate(&self, more: &[&str]) -> Result<String, String> {
        let (policies, rows) = (self.path("policies"), self.path("o.csv"));
        let words = ["fusegate", "simulate", &policies, "--from", &rows];
        let all = words.iter().chain(more);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        let Command::Simulate(simulate) = cli.command else {
            panic!("not simulate")
        };
        let screen = Screen {
            colours: Colours::none(),
            width: 100,
            bar: false,
        };
        let mut out = Vec::new();
        match simulate.print(screen, &mut out).await {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(failure) => {
                let cause = failure
                    .source()
                    .map_or_else(String::new, |cause| format!(": {cause}"));
                Err(format!("{failure}{cause}"))
            }
        }
    }
}
