//! The bounds: what can grow by what comes from outside, how far it has, and how far it may.

use std::sync::Arc;

use serde::Serialize;

/// All bounds as they stand; called once per request.
pub type Bounds = Arc<dyn Fn() -> Vec<BoundUsage> + Send + Sync>;

/// One bound as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BoundUsage {
    /// As in `fusegate_bounds_met_total`.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many there are now; `null` where that is of one stream or line, and not of the whole.
    pub size: Option<u64>,
    /// How many there may be.
    pub limit: u64,
    /// How often the limit was met since the start.
    pub met: u64,
    /// What happens at the limit.
    pub answer: &'static str,
}
