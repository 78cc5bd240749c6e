//! Logging: to standard error, so that standard output is free for the audit log.

use tracing_subscriber::EnvFilter;

use crate::cli::run::LogFormat;

/// Sets the process up to log.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Human => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
