//! Traces of `fusegate run`: where they go, and how many there are.

use std::path::PathBuf;

use clap::Args;

use crate::cli::run::SecretUrl;
use crate::runtime::sampler::Ratio;

/// Options of traces.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traces")]
pub struct Traces {
    /// The OpenTelemetry collector that takes traces, by OTLP over HTTP (its port is 4318 by default); `/v1/traces` is
    /// added. Nothing is traced without it. Credentials in the URL are used for basic authentication.
    #[arg(
        id = "otlp_endpoint",
        long = "otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub endpoint: Option<SecretUrl>,

    /// How the collector is reached: a YAML file as for `--alertmanager-http-config`.
    #[arg(
        id = "otlp_http_config",
        long = "otlp-http-config",
        env = "FUSEGATE_OTLP_HTTP_CONFIG",
        value_name = "FILE"
    )]
    pub http_config: Option<PathBuf>,

    /// The share of status writes that are traced, from 0 to 1. All replicas trace the same ones.
    #[arg(
        id = "trace_ratio",
        long = "trace-ratio",
        env = "FUSEGATE_TRACE_RATIO",
        default_value = "0.01",
        value_name = "SHARE"
    )]
    pub ratio: Ratio,
}
