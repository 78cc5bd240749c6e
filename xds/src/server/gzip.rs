//! Compression by gzip: what the headers of a request say of it.

use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::{HeaderMap, HeaderValue};
use tonic::metadata::MetadataValue;

const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

/// How the messages of the requests are compressed.
pub(super) fn of_requests(headers: &HeaderMap) -> Result<Option<CompressionEncoding>, Status> {
    match headers.get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(None),
        Some(b"gzip") => Ok(Some(CompressionEncoding::Gzip)),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let mut status = Status::unimplemented(format!(
                "requests are compressed by `{other}`; compress them by gzip, or not"
            ));
            let readable = MetadataValue::from_static("identity,gzip");
            status.metadata_mut().insert(ACCEPTED, readable);
            Err(status)
        }
    }
}

/// Whether the client can read responses that are compressed.
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let mut lists = headers.get_all(ACCEPTED).into_iter();
    lists.any(|list| list.as_bytes().split(|byte| *byte == b',').any(is_gzip))
}

fn is_gzip(encoding: &[u8]) -> bool {
    encoding.trim_ascii() == b"gzip"
}

/// Says that responses may be compressed.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(ENCODING, HeaderValue::from_static("gzip"));
}
