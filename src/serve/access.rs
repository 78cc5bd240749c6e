//! Access: who may ask which paths, and how often.
//!
//! Paths fall into groups, each with tokens and names of its own. Health is asked by everybody, for a kubelet has neither
//! a token nor a certificate.

mod group;
mod pace;
pub(super) mod terms;
mod tokens;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::serve::counters::Refused;
use crate::serve::state::ServeState;

pub use crate::serve::access::group::Group;
pub use crate::serve::access::pace::{MOST_CALLERS, Pace};
pub use crate::serve::access::terms::Access;
pub use crate::serve::access::tokens::{Proof, SharedTokens, Tokens};

/// Where a request comes from. One that does not say comes from this machine.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The names in the certificate that it showed.
    pub(super) names: Arc<[String]>,
}

impl Peer {
    /// One that shows no certificate.
    pub(super) fn at(address: IpAddr) -> Self {
        Self {
            address,
            names: Arc::default(),
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
    let peer = request.extensions().get::<Peer>().cloned();
    let peer = peer.unwrap_or_else(|| Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let Access { tokens, pace } = &state.access;
    if !pace.admit(peer.address, state.clock.now().mono).await {
        state.counters.refused(Refused::TooOften);
        return too_often(group, pace);
    }
    if let Some(refusal) = tokens.load().refuse(group, &peer, request.headers()) {
        state.counters.refused(Refused::Unproven);
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
    /// What is answered where a request proves in no way that its caller may ask the group.
    fn refuse(&self, group: Group, peer: &Peer, headers: &HeaderMap) -> Option<Response> {
        let tokens = self.of((group, Proof::Token));
        let names = self.of((group, Proof::Name));
        if tokens.is_none() && names.is_none() {
            return (group == Group::Alerts).then(closed);
        }
        let certified =
            names.is_some_and(|known| peer.names.iter().any(|name| known.contain(name)));
        let token = || tokens.zip(tokens::given(headers));
        if certified || token().is_some_and(|(known, token)| known.contain(&token)) {
            return None;
        }
        let name = group.name();
        let mut ways = Vec::new();
        if tokens.is_some() {
            ways.push(format!(
                "a token of the group `{name}`: send it as `Authorization: Bearer TOKEN`, or as the password of any \
                 user, as in http://fusegate:TOKEN@HOST/"
            ));
        }
        if names.is_some() {
            let shown = match &*peer.names {
                [] => "none was shown".to_owned(),
                names => format!("yours has {}", names.join(", ")),
            };
            ways.push(format!(
                "a client certificate with a name of the file `{name}.names`, and {shown}"
            ));
        }
        // A browser asks for a password only where one is of use.
        let asks = tokens.map_or(
            "Bearer realm=\"fusegate\"",
            |_| "Basic realm=\"fusegate\", charset=\"UTF-8\"",
        );
        let message = format!("this needs {}\n", ways.join("; or "));
        let asks = [(header::WWW_AUTHENTICATE, asks)];
        Some((StatusCode::UNAUTHORIZED, asks, message).into_response())
    }
}

/// What is answered to whoever could stop traffic, and is asked for nothing.
fn closed() -> Response {
    let message = "whoever posts here can stop traffic, so it needs a token: put one into the file `alerts` \
        of --http-tokens, and into http_config.authorization of the receiver\n";
    (StatusCode::FORBIDDEN, message).into_response()
}

#[cfg(test)]
mod tests;
