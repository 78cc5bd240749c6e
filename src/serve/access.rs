//! Access: who may ask which paths, and how often.
//!
//! Paths fall into groups, each with tokens of its own. Health is asked by everybody, for a kubelet has no token.

mod group;
mod pace;
pub(super) mod terms;
mod tokens;

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::serve::counters::Refused;
use crate::serve::state::ServeState;

pub use crate::serve::access::group::Group;
pub use crate::serve::access::pace::{MOST_CALLERS, Pace};
pub use crate::serve::access::terms::Access;
pub use crate::serve::access::tokens::{SharedTokens, Tokens};

/// Where a request comes from. One that does not say comes from this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

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
