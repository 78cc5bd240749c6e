//! A failure: why a request to the API server failed, and what a person can do about it.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;

use crate::source::kube::endpoint::Endpoint;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client failed, or the API server refused.
    Client(kube::Error),
    /// The API server ended a watch with an error.
    Watch(Box<Status>),
    /// No answer came in time.
    Slow(Duration),
}

impl Failure {
    /// Waits for a request up to a limit. Without it the client would retry an unavailable
    /// server for up to a quarter of an hour.
    pub(super) async fn within<T>(
        limit: Duration,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Self> {
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(Self::Client),
            Err(_) => Err(Self::Slow(limit)),
        }
    }

    /// Whether the watch can't be resumed, so that only a new list helps: after a bad request, an
    /// absent kind, or an expired resource version.
    pub(super) fn needs_list(&self) -> bool {
        self.status()
            .is_some_and(|status| matches!(status.code, 400 | 404 | 410))
    }

    /// A message for people: what happened, and what to do.
    pub(super) fn explain(&self, endpoint: &Endpoint) -> Box<str> {
        let title = endpoint.title();
        let text = match (self, self.status()) {
            (_, Some(status)) => explain_status(endpoint, status),
            (Self::Slow(limit), _) => format!(
                "the API server did not answer for {title} within {} s; check that it and etcd are healthy; fusegate keeps trying",
                limit.as_secs()
            ),
            (Self::Client(error), _) => format!(
                "the API server can't be reached for {title}: {}; check that it runs and that the network lets fusegate through; fusegate keeps trying",
                root_cause(error)
            ),
            (Self::Watch(status), _) => explain_status(endpoint, status),
        };
        text.into()
    }

    fn status(&self) -> Option<&Status> {
        match self {
            Self::Client(kube::Error::Api(status)) | Self::Watch(status) => Some(status),
            _ => None,
        }
    }
}

fn explain_status(endpoint: &Endpoint, status: &Status) -> String {
    let title = endpoint.title();
    match status.code {
        401 => format!(
            "the API server does not accept fusegate's credentials (401); renew its token or kubeconfig to read {title}"
        ),
        403 => format!(
            "fusegate may not read {title} (403); grant its service account the rule {}, for a contracted kind in a \
             ClusterRole with the label fusegate.io/aggregate-to-contracted-kinds: \"true\"; fusegate keeps trying",
            endpoint.rule()
        ),
        404 => format!(
            "{title} is not served (404); install its CustomResourceDefinition (fusegate's own: `fusegate crds | kubectl apply -f -`), \
             or enable its API; fusegate keeps trying"
        ),
        410 => format!("the watch on {title} has expired (410); fusegate lists it again"),
        code => format!(
            "the API server refused the request for {title} ({code} {}): {}; fusegate keeps trying",
            status.reason, status.message
        ),
    }
}

fn root_cause(error: &dyn Error) -> &dyn Error {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn explained(failure: &Failure) -> String {
        let endpoint = Endpoint::everywhere("shop.example.com", "v1", "storefronts");
        failure.explain(&endpoint).into()
    }

    #[rstest]
    #[case(401, "renew its token", false)]
    #[case(
        403,
        r#"the rule {apiGroups: ["shop.example.com"], resources: ["storefronts"], verbs: ["get", "list", "watch"]}"#,
        false
    )]
    #[case(404, "install its CustomResourceDefinition", true)]
    #[case(410, "lists it again", true)]
    #[case(500, "keeps trying", false)]
    fn a_refusal_names_the_kind_and_what_to_do(
        #[case] code: u16,
        #[case] advice: &str,
        #[case] lists: bool,
    ) {
        let status = || {
            Box::new(Status {
                code,
                ..Status::default()
            })
        };
        for failure in [
            Failure::Watch(status()),
            Failure::Client(kube::Error::Api(status())),
        ] {
            let text = explained(&failure);
            assert!(text.contains("storefronts.shop.example.com"), "{text}");
            assert!(text.contains(advice), "{text}");
            assert!(text.contains(&code.to_string()), "{text}");
            assert_eq!(failure.needs_list(), lists);
        }
    }

    #[test]
    fn a_refused_connection_is_told_by_its_root_cause() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let text = explained(&Failure::Client(kube::Error::ReadEvents(refused)));
        assert!(text.contains("connection refused"), "{text}");
        let slow = Failure::Slow(Duration::from_secs(3));
        assert!(explained(&slow).contains("within 3 s"));
        assert!(!slow.needs_list());
    }
}
