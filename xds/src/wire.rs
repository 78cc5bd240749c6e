//! The protobuf wire format: just enough of it to write messages from bytes that are already encoded.
//!
//! `prost` can only encode a resource it owns; writing the few fields around it here lets all streams share one encoding.

use bytes::BufMut;

const LENGTH_DELIMITED: u64 = 2;

/// How many bytes `value` takes as a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Writes `value` as a varint.
pub(crate) fn put_varint(buffer: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8((value & 0x7f) as u8);
}

/// How many bytes a length-delimited field takes whose content has `length` bytes.
pub(crate) fn field_len(number: u32, length: usize) -> usize {
    varint_len(tag(number)) + varint_len(length as u64) + length
}

/// Writes the head of a length-delimited field; its content, `length` bytes, must follow.
pub(crate) fn put_head(buffer: &mut impl BufMut, number: u32, length: usize) {
    put_varint(buffer, tag(number));
    put_varint(buffer, length as u64);
}

/// Writes a length-delimited field; an empty one is left out, as proto3 wants it.
pub(crate) fn put_bytes(buffer: &mut impl BufMut, number: u32, content: &[u8]) {
    if !content.is_empty() {
        put_head(buffer, number, content.len());
        buffer.put_slice(content);
    }
}

/// How many bytes [`put_bytes`] writes.
pub(crate) fn bytes_len(number: u32, content: &[u8]) -> usize {
    if content.is_empty() {
        0
    } else {
        field_len(number, content.len())
    }
}

/// Writes a varint field; zero is left out, as proto3 wants it.
pub(crate) fn put_uint(buffer: &mut impl BufMut, number: u32, value: u64) {
    if value != 0 {
        put_varint(buffer, u64::from(number) << 3);
        put_varint(buffer, value);
    }
}

/// How many bytes [`put_uint`] writes.
pub(crate) fn uint_len(number: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        varint_len(u64::from(number) << 3) + varint_len(value)
    }
}

fn tag(number: u32) -> u64 {
    u64::from(number) << 3 | LENGTH_DELIMITED
}

#[cfg(test)]
mod tests {
    use prost::encoding::encode_varint;

    use super::{put_varint, varint_len};

    #[test]
    fn varints_are_what_prost_writes() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            put_varint(&mut ours, value);
            encode_varint(value, &mut theirs);
            assert_eq!(ours, theirs);
            assert_eq!(ours.len(), varint_len(value));
        }
    }
}
