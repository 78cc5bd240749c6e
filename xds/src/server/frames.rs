//! The frames: the body of an answer, which is what a stream responds, message by message, and its status at the end.
//!
//! They are written here and not by tonic, because tonic compresses all messages of a stream or none:
//! to compress one costs more than to send it, unless it is large.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::Stream;
use hyper::body::{Body, Frame};
use tonic::Status;

use super::messages::Messages;
use super::stall::Stall;
use super::status;
use super::stream::DiscoveryStream;
use crate::encode;
use crate::protocol::Response;

/// Whether a message is compressed, and how long it is.
const HEAD: usize = 5;
/// How much is compressed before the other streams of the thread have their turn: about a millisecond's work.
const COMPRESSED_AT_ONCE: usize = 128 << 10;

/// The frames of one stream.
pub(super) struct Frames<V: Messages> {
    stream: DiscoveryStream<V>,
    /// From how many bytes on a message is compressed; none where the client can't read it.
    gzip_from: Option<usize>,
    compressing: Option<Compressing>,
    stall: Arc<Stall>,
    ended: bool,
}

impl<V: Messages> Frames<V> {
    pub(super) fn new(stream: DiscoveryStream<V>, gzip_from: Option<usize>) -> Self {
        Self {
            stream,
            gzip_from,
            compressing: None,
            stall: Stall::of_stream(),
            ended: false,
        }
    }

    /// The frame of a response, or nothing if it is to be compressed.
    fn frame(&mut self, response: &Response) -> Option<Result<Bytes, Status>> {
        let mut frame = Vec::with_capacity(HEAD + encode::size_hint(response));
        frame.put_bytes(0, HEAD);
        V::encode(response, &mut frame);
        if let Some(identifier) = self.stream.identifier() {
            encode::control_plane(V::CONTROL_PLANE, identifier, &mut frame);
        }
        if self
            .gzip_from
            .is_some_and(|from| frame.len() - HEAD >= from)
        {
            self.compressing = Some(Compressing::new(frame));
            return None;
        }
        Some(headed(frame, false))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if self.compressing.is_none() {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(response)) => {
                    if let Some(frame) = self.frame(&response) {
                        return Poll::Ready(Some(frame));
                    }
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
        let Some(compressing) = &mut self.compressing else {
            return Poll::Pending;
        };
        if !compressing.advance() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.compressing.take().map(Compressing::finish))
    }
}

impl<V: Messages> Body for Frames<V> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.stall.note_asked();
        let end = match ready!(this.poll(context)) {
            Some(Ok(frame)) => {
                this.stall.note_given();
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        this.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(status::trailers(&end)))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl<V: Messages> Drop for Frames<V> {
    fn drop(&mut self) {
        if self.stall.has_ended() {
            self.stream.tell_of_stall();
        }
    }
}

/// A message on its way to be compressed.
struct Compressing {
    /// With the room for a head that is not compressed.
    message: Bytes,
    encoder: GzEncoder<Vec<u8>>,
}

impl Compressing {
    fn new(message: Vec<u8>) -> Self {
        let mut frame = Vec::with_capacity(message.len() / 4);
        frame.put_bytes(0, HEAD);
        Self {
            message: Bytes::from(message).slice(HEAD..),
            encoder: GzEncoder::new(frame, Compression::fast()),
        }
    }

    /// Compresses some more; says whether that was all.
    fn advance(&mut self) -> bool {
        let next = self.message.len().min(COMPRESSED_AT_ONCE);
        // Into memory, which does not fail.
        let _: io::Result<()> = self.encoder.write_all(&self.message.split_to(next));
        self.message.is_empty()
    }

    fn finish(self) -> Result<Bytes, Status> {
        let failed = |cause| Status::internal(format!("compressing a response failed: {cause}"));
        headed(self.encoder.finish().map_err(failed)?, true)
    }
}

/// The frame, with its head written.
fn headed(mut frame: Vec<u8>, compressed: bool) -> Result<Bytes, Status> {
    let long = |_| Status::resource_exhausted("a response has more than 4 GiB");
    let length = u32::try_from(frame.len() - HEAD).map_err(long)?;
    if let Some((head, _)) = frame.split_first_chunk_mut::<HEAD>() {
        let [flag, rest @ ..] = head;
        *flag = compressed.into();
        *rest = length.to_be_bytes();
    }
    Ok(frame.into())
}
