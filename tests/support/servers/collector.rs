//! An OpenTelemetry Collector that takes traces over OTLP/HTTP and writes them into a file.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::super::{http, scratch::Scratch};
use super::{
    assets, ports,
    process::{Process, Program},
};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// A running collector; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Collector {
    _process: Process,
    url: String,
    scratch: Scratch,
}

/// A span as the collector has it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// In the form of OTLP/JSON.
    pub(crate) span: Value,
    /// The attributes of the program that sent it.
    pub(crate) resource: Value,
}

impl Collector {
    pub(crate) async fn start() -> Result<Self> {
        ports::retrying(Self::try_start).await
    }

    async fn try_start() -> Result<Self> {
        let scratch = Scratch::new("collector")?;
        let address = ports::loopback(ports::free()?);
        let traces = scratch.path().join("traces.json");
        let config = json!({
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": address}}}},
            "exporters": {"file": {"path": traces, "flush_interval": "50ms"}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        });
        // JSON is YAML.
        let file = scratch.write("config.yaml", config.to_string())?;
        let mut process = Process::start(&Program {
            name: "collector",
            path: assets::program("collector")?,
            args: vec![format!("--config=file:{}", file.display())],
            env: Vec::new(),
            log: scratch.path().join("collector.log"),
        })?;
        let url = format!("http://{address}");
        let client = http::client()?;
        process
            .ready(READY_WITHIN, async || {
                let nothing = client.post(format!("{url}/v1/traces"));
                let nothing = nothing.header(CONTENT_TYPE, "application/x-protobuf");
                let status = nothing.send().await?.status();
                ensure!(status.is_success(), "{status}");
                Ok(())
            })
            .await?;
        Ok(Self {
            _process: process,
            url,
            scratch,
        })
    }

    /// Its endpoint, for whoever sends traces.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The spans of a trace, by the time of their start.
    pub(crate) fn trace(&self, id: &str) -> Result<Vec<Span>> {
        let path = self.scratch.path().join("traces.json");
        let text = fs::read_to_string(path).context("read the traces")?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut spans = Vec::new();
        for line in whole.lines() {
            let batch: Value = serde_json::from_str(line)?;
            for of_program in elements(&batch["resourceSpans"]) {
                let resource = attributes(&of_program["resource"]);
                let scopes = elements(&of_program["scopeSpans"]);
                let all = scopes.flat_map(|scope| elements(&scope["spans"]));
                spans.extend(all.filter(|span| span["traceId"] == id).map(|span| Span {
                    span: span.clone(),
                    resource: resource.clone(),
                }));
            }
        }
        spans.sort_by_key(Span::start);
        Ok(spans)
    }
}

impl Span {
    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    /// A field's text; empty where it has none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.span[field].as_str().unwrap_or_default()
    }

    pub(crate) fn start(&self) -> u64 {
        self.text("startTimeUnixNano").parse().unwrap_or_default()
    }

    pub(crate) fn end(&self) -> u64 {
        self.text("endTimeUnixNano").parse().unwrap_or_default()
    }

    /// An attribute's text, or number as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        attributes(&self.span)[key].as_str().map(str::to_owned)
    }
}

/// Attributes by their keys, those that are text or numbers.
fn attributes(of: &Value) -> Value {
    let pairs = elements(&of["attributes"]).filter_map(|pair| {
        let (key, value) = (pair["key"].as_str()?, &pair["value"]);
        let text = value["stringValue"].as_str().or(value["intValue"].as_str());
        Some((key.to_owned(), json!(text)))
    });
    Value::Object(pairs.collect())
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
