//! Serve: read-only views over HTTP. Nothing here changes a circuit.

pub mod view;
