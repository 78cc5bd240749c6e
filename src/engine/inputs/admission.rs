//! The admission event: whether the API server enforces a contract.

use crate::breaker::time::Now;
use crate::engine::outputs::admission;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::contract::AdmissionState;
use crate::wire::audit::Verdict;
use crate::wire::event::{AdmissionEnd, AdmissionOutcome};

impl Engine {
    pub(crate) fn note_admission(&mut self, now: Now, outcome: AdmissionOutcome) {
        let Some(contract) = self.state.contracts.get_mut(&outcome.contract) else {
            return;
        };
        let marker = outcome.marker;
        let (state, verdict, why) = match outcome.end {
            AdmissionEnd::Enforced => (
                AdmissionState::Enforced { marker },
                Verdict::Done,
                "the API server denied the probe of the policy".to_owned(),
            ),
            AdmissionEnd::Failed { reason, message } => {
                let why = format!("{reason}: {message}");
                let state = AdmissionState::Failed {
                    marker,
                    reason,
                    message,
                };
                (state, Verdict::Failed, why)
            }
        };
        if contract.admission == state {
            return;
        }
        contract.admission = state;
        admission::line(&mut self.out, now, contract, verdict, why);
        self.out.mark(Dirty::Contract(&outcome.contract));
    }
}
