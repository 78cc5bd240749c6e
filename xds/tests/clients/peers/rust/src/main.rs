//! A client that finds its server by xDS, as gRPC for Rust implements it.
//!
//! Each line of the input is a number of calls to make; each line of the output says how they ended.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use bytes::{Buf, BufMut};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_xds::{XdsChannelBuilder, XdsChannelConfig, XdsChannelGrpc, XdsUri};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::args().nth(1).unwrap_or_default();
    let config = XdsChannelConfig::new(XdsUri::parse(&target)?);
    let channel = XdsChannelBuilder::new(config).build_grpc_channel()?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (mut answers, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..line.parse::<usize>()? {
            match call(channel.clone()).await {
                Ok(answer) => *answers.entry(answer).or_insert(0) += 1,
                Err(failure) => {
                    let text = format!("{:?}: {}", failure.code(), failure.message());
                    *failures.entry(text).or_insert(0) += 1;
                }
            }
        }
        println!(
            "{}",
            serde_json::json!({"answers": answers, "failures": failures})
        );
    }
    Ok(())
}

async fn call(channel: XdsChannelGrpc) -> Result<String, Status> {
    let mut client = Grpc::new(channel);
    let unready = |error| Status::unavailable(format!("not ready: {error}"));
    client.ready().await.map_err(unready)?;
    let path = PathAndQuery::from_static("/test.Upstream/Who");
    let call = client.unary(Request::new(Vec::new()), path, Raw);
    let answer = tokio::time::timeout(DEADLINE, call).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("no answer in time"))??;
    Ok(String::from_utf8_lossy(answer.get_ref()).into_owned())
}

/// Messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}
