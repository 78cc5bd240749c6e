//! Attackers: clients of the xDS port that no proxy is, down to frames written by hand, and a healthy one to compare with.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        service::{
            discovery::v3::{
                DeltaDiscoveryRequest, DeltaDiscoveryResponse,
                aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
            },
            runtime::v3::Runtime,
        },
    },
    google::{protobuf::value::Kind, rpc},
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};

pub(super) const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
const SOON: Duration = Duration::from_mins(1);
const PATH: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// A delta stream over ADS.
pub(super) struct Proxy {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

/// A connection; `window` is how many bytes each of its streams lets the server send unread.
pub(super) async fn connect(address: SocketAddr, window: Option<u32>) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(SOON)
        .initial_stream_window_size(window);
    Ok(endpoint.connect().await?)
}

/// A first request, which subscribes to these names.
pub(super) fn hello(id: &str, names: Vec<String>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node {
            id: id.to_owned(),
            ..Node::default()
        }),
        type_url: RUNTIME.to_owned(),
        resource_names_subscribe: names,
        ..DeltaDiscoveryRequest::default()
    }
}

impl Proxy {
    pub(super) async fn open(channel: Channel, first: DeltaDiscoveryRequest) -> Result<Self> {
        let (requests, receiver) = mpsc::channel(4);
        let mut client = AggregatedDiscoveryServiceClient::new(channel);
        requests.send(first).await?;
        let opening = client.delta_aggregated_resources(ReceiverStream::new(receiver));
        let responses = timeout(SOON, opening).await?.context("open a stream")?;
        Ok(Self {
            requests,
            responses: responses.into_inner(),
        })
    }

    /// The next response, which is not answered.
    pub(super) async fn next(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        let response = timeout(SOON, self.responses.message()).await;
        let response = response.map_err(|_| Status::deadline_exceeded("no response came"))??;
        response.ok_or_else(|| Status::cancelled("the stream ended"))
    }

    /// Takes a response, or refuses it in these words.
    pub(super) async fn answer(
        &self,
        response: &DeltaDiscoveryResponse,
        refusal: Option<&str>,
    ) -> Result<()> {
        let error_detail = refusal.map(|message| rpc::Status {
            code: 3,
            message: message.to_owned(),
            ..rpc::Status::default()
        });
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail,
            ..DeltaDiscoveryRequest::default()
        })
        .await
    }

    async fn send(&self, request: DeltaDiscoveryRequest) -> Result<()> {
        Ok(self.requests.send(request).await?)
    }

    /// Sends one request after the other until the server ends the stream, and returns how.
    pub(super) async fn flood(
        self,
        requests: impl Iterator<Item = DeltaDiscoveryRequest> + Send + 'static,
    ) -> Result<Code> {
        let sender = self.requests.clone();
        let sending = tokio::spawn(async move {
            for request in requests {
                if sender.send(request).await.is_err() {
                    return;
                }
            }
        });
        let ended = self.ended().await;
        sending.abort();
        ended
    }

    /// Takes responses until one holds this number under a key.
    pub(super) async fn until(&mut self, key: &str, number: f64) -> Result<()> {
        loop {
            let response = self.next().await?;
            self.answer(&response, None).await?;
            if response
                .resources
                .iter()
                .any(|one| holds(one.resource.as_ref(), key, number))
            {
                return Ok(());
            }
        }
    }

    /// Waits until the server ends the stream, and returns how.
    pub(super) async fn ended(mut self) -> Result<Code> {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(status) if status.code() == Code::DeadlineExceeded => bail!("{status}"),
                Err(status) => return Ok(status.code()),
            }
        }
    }
}

fn holds(
    resource: Option<&envoy_types::pb::google::protobuf::Any>,
    key: &str,
    number: f64,
) -> bool {
    let layer = resource.and_then(|any| Runtime::decode(any.value.as_slice()).ok()?.layer);
    let value = layer.and_then(|layer| layer.fields.get(key)?.kind.clone());
    value == Some(Kind::NumberValue(number))
}

/// A connection on which frames are written by hand.
pub(super) struct Raw(TcpStream);

impl Raw {
    /// One that has said nothing yet.
    pub(super) async fn silent(address: SocketAddr) -> Result<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// One that has begun HTTP/2, and lets the server send nothing.
    pub(super) async fn begun(address: SocketAddr) -> Result<Self> {
        let mut raw = Self::silent(address).await?;
        raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        // SETTINGS_INITIAL_WINDOW_SIZE = 0.
        raw.write(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).await?;
        Ok(raw)
    }

    /// One with a stream open on it, on which these bytes have been sent as a body.
    pub(super) async fn streaming(address: SocketAddr, body: &[u8]) -> Result<Self> {
        let mut raw = Self::begun(address).await?;
        let authority = address.to_string();
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", PATH),
            (":authority", &authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let mut block = Vec::new();
        for (name, value) in fields {
            // A literal field that is not indexed, with a new name (RFC 7541, 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len())?);
                block.extend_from_slice(text.as_bytes());
            }
        }
        raw.write(&frame(1, 4, 1, &block)).await?;
        for part in body.chunks(16_000) {
            raw.write(&frame(0, 0, 1, part)).await?;
        }
        Ok(raw)
    }

    /// Writes what a server that has hung up need not take.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    /// Reads until the server ends the stream, or all of them.
    pub(super) async fn answered(mut self) -> Result<()> {
        let reading = async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await?;
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length)?];
                self.0.read_exact(&mut payload).await?;
                let (kind, ends) = (head[3], head[4] & 1 == 1);
                // HEADERS that end the stream, RST_STREAM, GOAWAY.
                if (kind == 1 && ends) || kind == 3 || kind == 7 {
                    return Ok(());
                }
            }
        };
        timeout(SOON, reading).await.context("no answer")?
    }

    /// Reads until the server ends the connection.
    pub(super) async fn ended(mut self) -> Result<()> {
        let mut read = Vec::new();
        let ended = timeout(SOON, self.0.read_to_end(&mut read)).await;
        // One that is reset has ended as well.
        let _ = ended.context("the connection was not ended")?;
        Ok(())
    }
}

/// A message as gRPC sends it (its length in front), of a request that may be none.
pub(super) fn message(length: usize, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut message = vec![0];
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(bytes);
    message
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
