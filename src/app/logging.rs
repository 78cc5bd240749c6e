//! Logging: to standard error; standard output is for the audit log.

pub(crate) mod limit;

use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::app::logging::limit::{Limit, left_out};
use crate::cli::run::LogFormat;
use crate::runtime::clock::Clock;

/// The filter if `RUST_LOG` is unset or invalid. kube logs every failed request, several a second in an outage and
/// without its subject; each part of fusegate logs its own failures once.
const DEFAULT: &str = "info,kube_client::client::builder=off";

/// How often the number of omitted lines is logged.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Sets up logging. Only terminals get colors.
pub fn init(format: LogFormat) {
    let wanted = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let (filter, refused) = filter(&wanted);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        // These go to standard error too and panic if it can't be written: on a full disk, every thread that
        // logs would end.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let limit = Limit::new(Clock::start());
    match format {
        LogFormat::Human => builder.finish().with(limit).init(),
        LogFormat::Json => builder.json().finish().with(limit).init(),
    }
    if let Some(error) = refused {
        tracing::warn!(
            %error, RUST_LOG = wanted,
            "RUST_LOG is invalid; using the default; write a level, or target=level pairs separated by commas"
        );
    }
}

/// Logs now and then how many lines were omitted, until shutdown.
pub(super) async fn report_left_out(shutdown: CancellationToken) {
    let mut told = 0;
    let mut ticks = interval(REPORT_EVERY);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let lines = left_out() - told;
        if lines > 0 {
            told += lines;
            tracing::warn!(
                lines,
                "omitted log lines, because too many came from one place in the code; fusegate_bounds_met_total{{bound=\"log_lines\"}} counts them"
            );
        }
    }
}

/// The given filter, or the default and why.
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
