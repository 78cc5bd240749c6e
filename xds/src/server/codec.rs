//! The codec: requests are decoded by `prost`, responses are written from the bytes that all streams share.

use std::marker::PhantomData;
use std::sync::Arc;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::messages::Messages;
use crate::encode;
use crate::protocol::Response;

/// What a stream's buffers begin with; tonic's 8 KiB, twice per stream, would be most of what an idle stream takes.
const BUFFER_BYTES: usize = 1_024;
const YIELD_BYTES: usize = 32 * 1_024;

/// The codec of one protocol variant.
pub(super) struct SharedCodec<V>(PhantomData<V>);

impl<V> SharedCodec<V> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V: Messages> Codec for SharedCodec<V> {
    type Encode = Arc<Response>;
    type Decode = V::Message;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Self {
        Self::new()
    }
}

impl<V: Messages> Encoder for SharedCodec<V> {
    type Item = Arc<Response>;
    type Error = Status;

    fn encode(
        &mut self,
        response: Arc<Response>,
        buffer: &mut EncodeBuf<'_>,
    ) -> Result<(), Status> {
        buffer.reserve(encode::size_hint(&response));
        V::encode(&response, buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<V: Messages> Decoder for SharedCodec<V> {
    type Item = V::Message;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<V::Message>, Status> {
        let malformed = |cause| {
            Status::invalid_argument(format!("the request is no valid protobuf message: {cause}"))
        };
        V::Message::decode(buffer).map(Some).map_err(malformed)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}
