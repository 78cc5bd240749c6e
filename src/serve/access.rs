//! Access: who may ask which paths, and how often.
//!
//! Paths fall into groups, each with tokens of its own. Health is asked by everybody, for a kubelet has no token.

mod pace;
mod tokens;

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::serve::counters::Refused;
use crate::serve::state::ServeState;

pub use crate::serve::access::pace::{MOST_CALLERS, Pace};
pub use crate::serve::access::tokens::{SharedTokens, Tokens};

/// Paths that are asked by the same kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Whether this replica lives and is ready.
    Health,
    /// What release tools ask.
    Gate,
    /// What Prometheus asks.
    Metrics,
    /// What Alertmanager posts.
    Alerts,
    /// The page, its documents, and what commands ask.
    Page,
}

/// Who may ask what, and how often; clones share it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The tokens.
    pub tokens: SharedTokens,
    /// How often.
    pub pace: Pace,
}

/// Where a request comes from. One that does not say comes from this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl Group {
    /// Those that tokens can be asked for.
    pub const GUARDED: [Self; 4] = [Self::Gate, Self::Metrics, Self::Alerts, Self::Page];

    /// The group of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let begins = |start: &[&str]| start.iter().any(|start| path.starts_with(start));
        match path.trim_end_matches('/') {
            "/healthz" | "/readyz" => Self::Health,
            "/metrics" => Self::Metrics,
            "/v1/alertmanager" => Self::Alerts,
            _ if begins(&["/flagger/", "/argo/", "/v1/gate/"]) => Self::Gate,
            _ => Self::Page,
        }
    }

    /// Its name: that of the file with its tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Gate => "gate",
            Self::Metrics => "metrics",
            Self::Alerts => "alerts",
            Self::Page => "page",
        }
    }

    /// What is answered to whoever asks too often. Each client does as it should with it: Flagger waits and asks
    /// again, and Alertmanager sends again only what is answered with 5xx.
    const fn too_often(self) -> StatusCode {
        match self {
            Self::Alerts => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Lets a request through, or answers why not.
pub(super) async fn admit(
    State(state): State<ServeState>,
    request: Request,
    next: Next,
) -> Response {
    let group = Group::of(request.uri().path());
    if group == Group::Health {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    let Access { tokens, pace } = &state.access;
    if !pace.admit(peer, state.clock.now().mono).await {
        state.counters.refused(Refused::TooOften);
        return too_often(group, pace);
    }
    if let Some(refusal) = tokens.load().refuse(group, request.headers()) {
        state.counters.refused(Refused::NoToken);
        return refusal;
    }
    next.run(request).await
}

fn too_often(group: Group, pace: &Pace) -> Response {
    let message = format!(
        "you ask more than {} times a second; wait a second, or see --http-rate\n",
        pace.per_second()
    );
    (group.too_often(), [(header::RETRY_AFTER, "1")], message).into_response()
}

impl Tokens {
    /// What is answered where a request carries no token of the group.
    fn refuse(&self, group: Group, headers: &HeaderMap) -> Option<Response> {
        let Some(known) = self.of(group) else {
            if group != Group::Alerts {
                return None;
            }
            let message = "whoever posts here can stop traffic, so it needs a token: put one into the file `alerts` \
                of --http-tokens, and into http_config.authorization of the receiver\n";
            return Some((StatusCode::FORBIDDEN, message).into_response());
        };
        if tokens::given(headers).is_some_and(|token| known.contain(&token)) {
            return None;
        }
        let message = format!(
            "this needs a token of the group `{}`: send it as `Authorization: Bearer TOKEN`, or as the password of any \
             user, as in http://fusegate:TOKEN@HOST/\n",
            group.name()
        );
        let asks = [(
            header::WWW_AUTHENTICATE,
            "Basic realm=\"fusegate\", charset=\"UTF-8\"",
        )];
        Some((StatusCode::UNAUTHORIZED, asks, message).into_response())
    }
}

#[cfg(test)]
mod tests;
