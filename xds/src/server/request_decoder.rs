//! The decoder: requests are decoded by `prost`.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};

use super::messages::Messages;

/// What a stream's buffer begins with; tonic's 8 KiB would be most of what an idle stream takes.
const BUFFER_BYTES: usize = 1_024;
/// It is about writing, which a decoder does not.
const YIELD_BYTES: usize = 32 * 1_024;

/// The decoder of one protocol variant.
pub(super) struct RequestDecoder<V>(PhantomData<V>);

impl<V> RequestDecoder<V> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V: Messages> Decoder for RequestDecoder<V> {
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
