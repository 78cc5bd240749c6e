//! Alertmanager's webhook: an alert that a policy names forces its circuits Open for a time, and its end closes none.
//!
//! Whoever may post here can stop traffic, so nobody may without a token. Alertmanager sends again what is answered
//! with 5xx and drops what is answered with 4xx: what it can't mend by sending it again is a 4xx.

pub(super) mod desk;
mod ledger;
mod notification;
mod order;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::future::join_all;
use tokio::time::timeout;

use crate::serve::alertmanager::notification::Notification;
use crate::serve::alertmanager::order::{Meaning, meanings};
use crate::serve::route::routed;
use crate::serve::state::ServeState;
use crate::serve::wire;

pub use crate::serve::alertmanager::desk::{Desk, Give, List, Ungiven};
pub use crate::serve::alertmanager::ledger::{Ledger, MOST_ORDERS};
pub use crate::serve::alertmanager::order::Order;

/// The most bytes of a notification: about a thousand alerts.
const MAX_BODY: usize = 1 << 20;

/// How long it may take until all that a notification orders is written down.
const WITHIN: Duration = Duration::from_secs(20);

/// The route.
pub fn routes() -> Router<ServeState> {
    let route = routed(Router::new(), "/v1/alertmanager", post(receive));
    route.layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn receive(State(state): State<ServeState>, body: Result<Bytes, BytesRejection>) -> Response {
    let notification = match body.map(|body| read(&body)) {
        Err(rejection) => return rejection.into_response(),
        Ok(Err(why)) => return (StatusCode::BAD_REQUEST, why).into_response(),
        Ok(Ok(notification)) => notification,
    };
    if !state.view.load().synced {
        let why = "contracts, policies and overrides have not been listed yet; send it again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    }
    let answered = timeout(WITHIN, answer(&state, notification)).await;
    let (status, lines) = answered.unwrap_or_else(|_elapsed| {
        let why = format!("not all was written down within {WITHIN:?}; send it again");
        (StatusCode::SERVICE_UNAVAILABLE, vec![why])
    });
    (status, lines.join("\n") + "\n").into_response()
}

fn read(body: &[u8]) -> Result<Notification, String> {
    let read: Result<Notification, _> = serde_json::from_slice(body);
    let notification =
        read.map_err(|error| format!("this is no notification of Alertmanager's: {error}\n"))?;
    if notification.version == "4" {
        return Ok(notification);
    }
    let version = wire::quoted(&notification.version);
    Err(format!(
        "a notification of version {version} can't be read; 4 can\n"
    ))
}

/// Gives every order of a notification; what became of each alert, a line for each policy that names it.
async fn answer(state: &ServeState, notification: Notification) -> (StatusCode, Vec<String>) {
    let (mut status, mut lines) = (StatusCode::OK, Vec::new());
    let mut alerts = notification.alerts;
    if notification.truncated_alerts > 0 {
        match left_out(state, notification.receiver).await {
            Ok(all) => alerts.extend(all),
            Err(why) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                lines.push(format!(
                    "{} alerts were left out, and can't be read from an Alertmanager: {why}; take max_alerts away",
                    notification.truncated_alerts
                ));
            }
        }
    }
    let now = state.clock.now().wall;
    let view = state.view.load_full();
    let firing = alerts.iter().filter(|alert| alert.fires());
    let meanings: Vec<Meaning> = firing
        .flat_map(|alert| meanings(&view, alert, now))
        .collect();
    let told = join_all(meanings.into_iter().map(|meaning| settle(state, meaning))).await;
    for (became, line) in told {
        status = status.max(became);
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push("no policy is opened by what fires here".to_owned());
    }
    (status, lines)
}

async fn left_out(
    state: &ServeState,
    receiver: String,
) -> Result<Vec<notification::Alert>, String> {
    let all = (state.desk.list)(receiver).await?;
    serde_json::from_slice(&all).map_err(|error| error.to_string())
}

/// Does what an alert means, and says so.
async fn settle(state: &ServeState, meaning: Meaning) -> (StatusCode, String) {
    let order = match meaning {
        Meaning::Nothing(why) => {
            tracing::info!("an alert opens nothing: {why}");
            return (StatusCode::OK, why);
        }
        Meaning::Order(order) => order,
    };
    let text = order.text();
    match state
        .desk
        .enter(order.clone(), state.clock.now().wall)
        .await
    {
        Ok(true) => {
            tracing::warn!(reason = order.reason, "{text}");
            (StatusCode::OK, text)
        }
        Ok(false) => (StatusCode::OK, format!("{text}, as was ordered before")),
        Err(ungiven) => {
            let status = match ungiven {
                Ungiven::Now(_) => StatusCode::SERVICE_UNAVAILABLE,
                Ungiven::ForGood(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            tracing::error!(reason = %ungiven, "what an alert orders can't be written down: {text}");
            (status, format!("{text}: can't be written down: {ungiven}"))
        }
    }
}

#[cfg(test)]
mod tests;
