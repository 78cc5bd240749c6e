//! The app: everything wired together. It decides nothing.

mod feeds;
mod logging;
mod meter;
mod programmed;
mod publish;
mod pump;
mod run;

pub use logging::init as init_logging;
pub use run::run;
