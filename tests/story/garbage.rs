//! Garbage: what a client can send that is no request, or too much of one.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use prost::Message as _;
use tonic::Code;

use super::attackers::{Proxy, RUNTIME, Raw, connect, hello, message};

/// One kind of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Garbage {
    Noise,
    NoiseAfterPreface,
    NoMessage,
    EndlessMessage,
    Utf8,
    Names,
    Subscriptions,
    Types,
    LongName,
    LongNode,
    NoNode,
}

impl Garbage {
    pub(super) const ALL: [Self; 11] = [
        Self::Noise,
        Self::NoiseAfterPreface,
        Self::NoMessage,
        Self::EndlessMessage,
        Self::Utf8,
        Self::Names,
        Self::Subscriptions,
        Self::Types,
        Self::LongName,
        Self::LongNode,
        Self::NoNode,
    ];

    /// Sends it, and waits until the server has ended what it came on.
    pub(super) async fn send(self, address: SocketAddr) -> Result<()> {
        let ended = match self {
            Self::Noise => {
                let mut raw = Raw::silent(address).await?;
                raw.write(&noise(4_096)).await?;
                return raw.ended().await;
            }
            Self::NoiseAfterPreface => {
                let mut raw = Raw::begun(address).await?;
                raw.write(&noise(4_096)).await?;
                return raw.ended().await;
            }
            Self::NoMessage => return bytes(address, &noise(4_096)).await,
            Self::EndlessMessage => {
                return bytes(address, &message(usize::MAX, &noise(64))).await;
            }
            Self::Utf8 => {
                let mut request = hello("garbage", vec!["abc".to_owned()]).encode_to_vec();
                let at = request.windows(3).position(|three| three == b"abc");
                request[at.context("the name")?] = 0xff;
                return bytes(address, &message(request.len(), &request)).await;
            }
            _ => self.ask(address).await?,
        };
        ensure!(
            ended != Code::Ok && ended != Code::Cancelled && ended != Code::Unknown,
            "{ended:?}"
        );
        Ok(())
    }

    /// Asks for something that is too much, and returns how the stream ended.
    async fn ask(self, address: SocketAddr) -> Result<Code> {
        match self {
            Self::Names => {
                let names = (0..1_000_000).map(|name| format!("name-{name}"));
                stream(address, hello("garbage", names.collect()))
                    .await?
                    .ended()
                    .await
            }
            Self::Subscriptions => {
                let more = |round| {
                    let names = (0..1_000).map(move |name| format!("name-{round}-{name}"));
                    DeltaDiscoveryRequest {
                        type_url: RUNTIME.to_owned(),
                        resource_names_subscribe: names.collect(),
                        ..DeltaDiscoveryRequest::default()
                    }
                };
                let proxy = stream(address, hello("garbage", vec!["first".to_owned()])).await?;
                proxy.flood((0..1_000).map(more)).await
            }
            Self::Types => {
                let of_type = |number| DeltaDiscoveryRequest {
                    type_url: format!("type.googleapis.com/no.such.Type{number}"),
                    ..hello("garbage", vec!["name".to_owned()])
                };
                let proxy = stream(address, of_type(0)).await?;
                proxy.flood((1..200).map(of_type)).await
            }
            Self::LongName => {
                let name = "n".repeat(1 << 20);
                stream(address, hello("garbage", vec![name]))
                    .await?
                    .ended()
                    .await
            }
            Self::LongNode => {
                let id = "\u{1b}[31m\n".repeat(1 << 18);
                stream(address, hello(&id, vec!["shop".to_owned()]))
                    .await?
                    .ended()
                    .await
            }
            Self::NoNode => {
                let mut request = hello("", vec!["shop".to_owned()]);
                RUNTIME.clone_into(&mut request.type_url);
                stream(address, request).await?.ended().await
            }
            _ => bail!("{self:?} asks for nothing"),
        }
    }
}

/// A stream on a connection of its own.
async fn stream(address: SocketAddr, first: DeltaDiscoveryRequest) -> Result<Proxy> {
    Proxy::open(connect(address, None).await?, first).await
}

/// Sends a body on a stream made by hand, and waits until the server has ended that.
async fn bytes(address: SocketAddr, body: &[u8]) -> Result<()> {
    Raw::streaming(address, body).await?.answered().await
}

/// Bytes without meaning, the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(count).collect()
}
