//! A group: paths that are asked by the same kind of caller.

use axum::http::StatusCode;

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
    pub(super) const fn too_often(self) -> StatusCode {
        match self {
            Self::Alerts => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}
