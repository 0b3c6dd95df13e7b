//! Little bytes: varints, length-prefixed fields, and the checksum of rows.

use bytes::Bytes;

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the `put_` functions wrote; every method answers `None` when the bytes end early.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.varint()?).ok()?;
        self.take(count)
    }

    pub(crate) fn owned(&mut self) -> Option<Bytes> {
        self.bytes().map(Bytes::copy_from_slice)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// CRC-32C over a row's columns, each number as eight big-endian bytes and each byte string after its length, so that
/// bytes cannot move from one column to the next unnoticed.
pub(crate) struct RowCrc(u32);

impl RowCrc {
    pub(crate) fn new() -> RowCrc {
        RowCrc(0)
    }

    pub(crate) fn number(self, value: u64) -> RowCrc {
        RowCrc(crc32c::crc32c_append(self.0, &value.to_be_bytes()))
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> RowCrc {
        let counted = self.number(bytes.len() as u64);
        RowCrc(crc32c::crc32c_append(counted.0, bytes))
    }

    pub(crate) fn finish(self) -> u32 {
        self.0
    }
}
