//! The Kubernetes source: watches, spoken as events.

pub mod revision;
