//! Varints, tags and lengths: the protobuf wire format itself.

use super::ProtoError;

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const LENGTH: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

/// Groups nest in skipped fields; nobody sends them.
const GROUPS_MAX: usize = 16;

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the length of a varint.
pub(super) fn varint_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(super) fn put_tag(out: &mut Vec<u8>, number: u16, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

pub(super) fn put_bytes(out: &mut Vec<u8>, number: u16, bytes: &[u8]) {
    put_tag(out, number, LENGTH);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_integer(out: &mut Vec<u8>, number: u16, value: i64) {
    put_tag(out, number, VARINT);
    put_varint(out, value.cast_unsigned());
}

/// Opens a nested message and returns where its body starts.
pub(super) fn open(out: &mut Vec<u8>, number: u16) -> usize {
    put_tag(out, number, LENGTH);
    out.push(0);
    out.len()
}

/// Closes a nested message: fills in its length, moving the body when one byte is not enough.
pub(super) fn close(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    let length = (end - start) as u64;
    let size = varint_size(length);
    if size > 1 {
        out.resize(end + size - 1, 0);
        out.copy_within(start..end, start + size - 1);
    }
    let mut rest = length;
    for byte in &mut out[start - 1..start - 1 + size] {
        *byte = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
    }
    out[start + size - 2] &= 0x7f;
}

/// A position in a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtoError> {
        let mut value = 0;
        for index in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or(ProtoError::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtoError::Overflow)
    }

    /// Reads a field number and a wire type. An end-group tag is an error here.
    pub(super) fn tag(&mut self) -> Result<(u64, u8), ProtoError> {
        let tag = self.varint()?;
        let (number, wire) = (tag >> 3, (tag & 7) as u8);
        if number == 0 || wire == END_GROUP || wire > FIXED32 {
            return Err(ProtoError::IllegalTag { number, wire });
        }
        Ok((number, wire))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ProtoError> {
        let length = usize::try_from(self.varint()?).map_err(|_| ProtoError::Overflow)?;
        self.take(length)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, ProtoError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// Skips a field of the given wire type.
    pub(super) fn skip(&mut self, wire: u8) -> Result<(), ProtoError> {
        self.skip_at(wire, 0)
    }

    fn skip_at(&mut self, wire: u8, groups: usize) -> Result<(), ProtoError> {
        match wire {
            VARINT => drop(self.varint()?),
            FIXED64 => drop(self.take(8)?),
            LENGTH => drop(self.bytes()?),
            FIXED32 => drop(self.take(4)?),
            START_GROUP if groups < GROUPS_MAX => loop {
                let tag = self.varint()?;
                let inner = (tag & 7) as u8;
                if inner == END_GROUP {
                    break;
                }
                self.skip_at(inner, groups + 1)?;
            },
            START_GROUP => return Err(ProtoError::TooDeep),
            _ => return Err(ProtoError::IllegalTag { number: 0, wire }),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtoError> {
        if length > self.rest.len() {
            return Err(ProtoError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }
}
