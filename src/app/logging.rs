//! Logging: to standard error, so that standard output is free for the audit log.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::cli::run::LogFormat;

/// What is logged where `RUST_LOG` doesn't say, or can't be read. kube tells every request that fails, several a
/// second in an outage and without saying what was asked for; each part of fusegate tells its own once.
const DEFAULT: &str = "info,kube_client::client::builder=off";

/// Sets the process up to log. Colors are for terminals: in a file or a pod's log they are noise.
pub fn init(format: LogFormat) {
    let wanted = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let (filter, refused) = filter(&wanted);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Human => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    if let Some(error) = refused {
        tracing::warn!(
            %error, RUST_LOG = wanted,
            "RUST_LOG can't be read, and the default is used; write a level, or target=level separated by commas"
        );
    }
}

/// The filter that was asked for, or the default and why.
fn filter(wanted: &str) -> (EnvFilter, Option<ParseError>) {
    if wanted.is_empty() {
        return (EnvFilter::new(DEFAULT), None);
    }
    match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_the_default_and_is_told() {
        let (used, refused) = filter("fusegate=bogus");
        let default = EnvFilter::new(DEFAULT);
        assert_eq!(used.to_string(), default.to_string());
        assert!(refused.is_some());
        let (used, refused) = filter("fusegate=debug");
        assert_eq!(used.to_string(), "fusegate=debug");
        assert!(refused.is_none());
        assert!(filter("").1.is_none(), "nothing asked for is nothing wrong");
    }
}
