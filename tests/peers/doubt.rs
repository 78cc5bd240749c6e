//! A doubt: a reason for which a gate does not pass, how it comes about, and how it is over.

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{shop::Shop, world::SOON};
use crate::support::wait::eventually;

/// Why a gate does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing was ever reported.
    NeverReported,
    /// What was reported is too old.
    Stale,
    /// A value can't be read as a number.
    NotANumber,
    /// A value is illegal, and the policy counts that as Unknown.
    Illegal,
    /// The circuit recovers.
    HalfOpen,
    /// The circuit has tripped.
    Open,
}

impl Doubt {
    /// What the gate's reason has in it.
    fn reason(self) -> &'static str {
        match self {
            Self::NeverReported => {
                "is Unknown; there is no current evidence of \"network-latency\" (Missing)"
            }
            Self::Stale => {
                "is Unknown; there is no current evidence of \"network-latency\" (Stale)"
            }
            Self::NotANumber => {
                "is Unknown; there is no current evidence of \"error-rate\" (NotANumber)"
            }
            Self::Illegal => {
                "is Unknown; there is no current evidence of \"network-latency\" (Illegal)"
            }
            Self::HalfOpen => "is HalfOpen",
            Self::Open => "is Open",
        }
    }

    fn policy(self) -> Value {
        match self {
            Self::HalfOpen => json!({"spec": {"open": {"minimum": "1s"}}}),
            Self::Illegal => json!({"spec": {"trip": {"illegal": "Unknown"}}}),
            _ => json!({}),
        }
    }
}

impl Shop {
    /// A shop in which there can be this doubt; there is none yet, but that nothing was reported.
    pub(super) async fn open_for(name: &str, doubt: Doubt) -> Result<Self> {
        Self::open_with(name, &doubt.policy()).await
    }

    /// Brings the doubt about. An Open circuit is never seen on the way to a `HalfOpen` one.
    pub(super) async fn doubt(&self, doubt: Doubt) -> Result<()> {
        match doubt {
            Doubt::NeverReported => {}
            Doubt::Stale => {
                let observed = json!({"value": "120ms", "observedAt": now()});
                self.report(&json!({"network-latency": observed, "error-rate": 0.01}))
                    .await?;
                self.wait_gate("Closed").await?;
            }
            Doubt::NotANumber => {
                self.report(&json!({"network-latency": "120ms", "error-rate": "NaN"}))
                    .await?;
            }
            Doubt::Illegal => {
                self.report(&json!({"network-latency": true, "error-rate": 0.01}))
                    .await?;
            }
            Doubt::HalfOpen => {
                self.order("ForcedClosed").await?;
                self.wait_gate("Closed").await?;
                self.break_object("checkout").await?;
                self.report(&json!({"network-latency": "120ms", "error-rate": 0.01}))
                    .await?;
                self.wait_shadow("HalfOpen").await?;
                self.withdraw().await?;
            }
            Doubt::Open => {
                self.close().await?;
                self.trip().await?;
            }
        }
        eventually(&format!("{doubt:?} to be told"), SOON, async || {
            let answer = self.gate_answer().await?;
            let reason = answer["reason"].as_str().unwrap_or_default();
            ensure!(reason.contains(doubt.reason()), "{reason}");
            Ok(())
        })
        .await
    }

    /// Ends the doubt: by evidence, and where there is enough against it, by a person's word.
    pub(super) async fn resolve(&self, doubt: Doubt) -> Result<()> {
        match doubt {
            Doubt::Open => {
                self.order("ForcedClosed").await?;
                self.wait_gate("Closed").await
            }
            _ => self.close().await,
        }
    }

    async fn wait_shadow(&self, state: &str) -> Result<()> {
        let what = format!("the evidence to say {state}");
        eventually(&what, SOON, async || {
            let circuit = self.circuit("checkout").await?;
            ensure!(circuit["shadow"] == state, "{circuit}");
            Ok(())
        })
        .await
    }
}

/// Now, as an operator writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "an operator that writes a time reads a clock of its own"
)]
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}
