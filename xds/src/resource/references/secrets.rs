//! The secrets that a transport socket refers to.

use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket};
use envoy_types::pb::envoy::extensions::transport_sockets::quic::v3::{
    QuicDownstreamTransport, QuicUpstreamTransport,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::downstream_tls_context::SessionTicketKeysType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, UpstreamTlsContext,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::Reference;
use crate::type_url::TypeUrl;

/// Those of these sockets; of a kind of socket that is not known here there are none.
pub(super) fn of<'a>(
    sockets: impl IntoIterator<Item = &'a TransportSocket>,
) -> impl Iterator<Item = Reference> {
    let typed = sockets.into_iter().filter_map(|socket| {
        let transport_socket::ConfigType::TypedConfig(config) = socket.config_type.as_ref()?;
        Some(config)
    });
    let configs = typed.flat_map(|config| {
        downstream(config)
            .map(of_downstream)
            .or_else(|| upstream(config).map(of_upstream))
            .unwrap_or_default()
    });
    configs.map(|secret| {
        // A secret without a source is in the bootstrap.
        Reference::new(TypeUrl::SECRET, &secret.name, secret.sds_config.as_ref())
    })
}

fn downstream(config: &Any) -> Option<DownstreamTlsContext> {
    decode(config).or_else(|| decode::<QuicDownstreamTransport>(config)?.downstream_tls_context)
}

fn upstream(config: &Any) -> Option<UpstreamTlsContext> {
    decode(config).or_else(|| decode::<QuicUpstreamTransport>(config)?.upstream_tls_context)
}

/// The message in `config`, if it is of this type.
pub(super) fn decode<M: Message + Name + Default>(config: &Any) -> Option<M> {
    let (_, name) = config.type_url.rsplit_once('/')?;
    if name != M::full_name() {
        return None;
    }
    M::decode(config.value.as_slice()).ok()
}

fn of_downstream(context: DownstreamTlsContext) -> Vec<SdsSecretConfig> {
    let mut secrets = of_both(context.common_tls_context);
    if let Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(keys)) =
        context.session_ticket_keys_type
    {
        secrets.push(keys);
    }
    secrets
}

fn of_upstream(context: UpstreamTlsContext) -> Vec<SdsSecretConfig> {
    of_both(context.common_tls_context)
}

fn of_both(context: Option<CommonTlsContext>) -> Vec<SdsSecretConfig> {
    let Some(context) = context else {
        return Vec::new();
    };
    let mut secrets = context.tls_certificate_sds_secret_configs;
    secrets.extend(match context.validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => Some(config),
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            combined.validation_context_sds_secret_config
        }
        _ => None,
    });
    secrets
}
