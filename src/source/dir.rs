//! The directory source: a watched folder of YAML, spoken as the same events as a Kubernetes watch.

pub mod layout;
