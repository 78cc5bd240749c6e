//! The app: wires the parts together. It decides nothing.

mod bounds;
mod certificates;
mod collector;
mod debug;
mod desk;
mod feeds;
mod fleet;
mod history;
mod listener;
mod logging;
mod memory;
mod meter;
mod notices;
mod programmed;
mod publish;
mod pump;
mod queries;
mod replay;
mod run;
mod serving;
mod sinks;
mod tokens;
mod top;
mod traces;
mod webhook;
mod xds;

pub use logging::init as init_logging;
pub use replay::replay;
pub use run::run;
