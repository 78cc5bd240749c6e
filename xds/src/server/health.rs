//! The health: what gRPC's health checks are answered about the services of a port.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>

use hyper::body::Body as HttpBody;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::routes::SERVICE_NAMES;

/// The methods of the health service.
const METHODS: &str = "/grpc.health.v1.Health/";

/// The services of one port, and how they are.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    service: HealthServer<HealthService>,
}

impl Health {
    /// All services serve.
    pub(super) async fn serving() -> Self {
        let reporter = HealthReporter::new();
        for name in SERVICE_NAMES {
            let status = ServingStatus::Serving;
            reporter.set_service_status(name, status).await;
        }
        Self {
            service: HealthServer::new(HealthService::from_health_reporter(reporter.clone())),
            reporter,
        }
    }

    /// No service serves any longer; those who watch are told, and their streams end.
    pub(super) async fn end(mut self) {
        for name in SERVICE_NAMES.into_iter().chain([""]) {
            let status = ServingStatus::NotServing;
            self.reporter.set_service_status(name, status).await;
            self.reporter.clear_service_status(name).await;
        }
    }

    /// Whether a request for `path` is about health.
    pub(super) fn is_asked_by(path: &str) -> bool {
        path.starts_with(METHODS)
    }

    /// The answer to a request about health.
    pub(super) async fn answer<B>(mut self, request: http::Request<B>) -> http::Response<Body>
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<tonic::codegen::StdError> + Send + 'static,
    {
        match self.service.call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}
