//! What an Alertmanager holds: the alerts that fire and go to one of its receivers.
//!
//! Source: Alertmanager API v2, `GET /api/v2/alerts`.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::time::timeout;

use crate::effects::alert::send::ALERTMANAGER;
use crate::runtime::http_client::client;
use crate::runtime::server_url::ServerUrl;

/// The deadline of one Alertmanager.
const WITHIN: Duration = Duration::from_secs(5);

/// The most bytes of its answer.
const MOST_ANSWER: usize = 16 << 20;

/// Asks one after the other until one answers.
///
/// # Errors
///
/// Why none did.
pub(crate) async fn held(servers: &[ServerUrl], receiver: &str) -> Result<Bytes, String> {
    let mut failed = Vec::new();
    for server in servers {
        match timeout(WITHIN, ask(server, receiver)).await {
            Ok(Ok(alerts)) => return Ok(alerts),
            Ok(Err(why)) => failed.push(format!("{server}: {why}")),
            Err(_elapsed) => failed.push(format!("{server}: no answer within {WITHIN:?}")),
        }
    }
    if failed.is_empty() {
        failed.push("none is given, see --alertmanager".to_owned());
    }
    Err(failed.join("; "))
}

async fn ask(server: &ServerUrl, receiver: &str) -> Result<Bytes, String> {
    let options = server.options.load().map_err(|error| error.to_string())?;
    let query = format!(
        "/api/v2/alerts?active=true&silenced=false&inhibited=false&receiver={}",
        exactly(receiver)
    );
    let uri = server.at(&query);
    let client =
        client(ALERTMANAGER, options.tls.config(&uri)).map_err(|error| error.to_string())?;
    let mut request = Request::get(&uri);
    if let Some(authorization) = &options.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Full::<Bytes>::default());
    let request = request.map_err(|error| error.to_string())?;
    let answer = client.request(request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    let body = Limited::new(answer.into_body(), MOST_ANSWER)
        .collect()
        .await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| error.to_string())
}

/// The regular expression that matches a receiver's name alone, for a URL.
fn exactly(receiver: &str) -> String {
    let expression = format!("^{}$", regex::escape(receiver));
    expression.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_matched_as_it_is_written() {
        assert_eq!(exactly("a.b"), "%5E%61%5C%2E%62%24");
    }
}
