//! Rows as engines see them, and their checksums.

use bytes::Bytes;

use crate::base::BaseHash;
use crate::codec::{Reader, RowCrc, put_bytes, put_varint};
use crate::error::StorageError;
use crate::key::{Key, Revision, TenantId};
use crate::write::{Stamp, Usage};

/// Current state of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// Whose.
    pub tenant: TenantId,
    /// Path.
    pub key: Key,
    /// Revision of the last change.
    pub revision: Revision,
    /// The writer's stamp.
    pub stamp: Stamp,
    /// The object of the base was deleted: hides it, holds no value.
    pub tombstone: bool,
    /// The value.
    pub value: Bytes,
    /// Checksum over the other columns.
    pub crc: u32,
}

/// [`ObjectRow`] without its value. Its checksum covers the value too, so that damage shows when the value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Path.
    pub key: Key,
    /// Revision of the last change.
    pub revision: Revision,
    /// The writer's stamp.
    pub stamp: Stamp,
    /// The object of the base was deleted.
    pub tombstone: bool,
    /// Bytes of the value.
    pub length: u32,
}

impl ObjectRow {
    /// Returns the row with its checksum set.
    pub fn sealed(mut self) -> ObjectRow {
        self.crc = self.checksum();
        self
    }

    /// Checks the checksum.
    pub fn verified(self) -> Result<ObjectRow, StorageError> {
        if self.crc == self.checksum() {
            return Ok(self);
        }
        Err(StorageError::Corrupt(format!("checksum of object {} of tenant {}", self.key, self.tenant)))
    }

    fn checksum(&self) -> u32 {
        let crc = RowCrc::new().number(u64::from(self.tenant.get())).bytes(self.key.as_bytes());
        let crc = crc.number(self.revision.get()).number(self.stamp.schema).number(u64::from(self.stamp.splice));
        crc.number(u64::from(self.tombstone)).bytes(&self.value).finish()
    }
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Nothing was there; the way back is empty.
    Create,
    /// A value was replaced; the way back is a delta from the new one.
    Update,
    /// A value was removed; the way back is the value.
    Delete,
}

impl EventKind {
    /// Returns the number it is stored as.
    pub fn code(self) -> u8 {
        match self {
            EventKind::Create => 0,
            EventKind::Update => 1,
            EventKind::Delete => 2,
        }
    }

    /// Reads the number it is stored as.
    pub fn from_code(code: u8) -> Option<EventKind> {
        match code {
            0 => Some(EventKind::Create),
            1 => Some(EventKind::Update),
            2 => Some(EventKind::Delete),
            _ => None,
        }
    }
}

/// One change in the undo log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Batch that wrote it.
    pub sequence: u64,
    /// Place within the batch.
    pub place: u32,
    /// Whose.
    pub tenant: TenantId,
    /// Its revision.
    pub revision: Revision,
    /// Path.
    pub key: Key,
    /// What happened.
    pub kind: EventKind,
    /// Revision of the key before; zero for a create.
    pub previous: Revision,
    /// Stamp of the key before.
    pub previous_stamp: Stamp,
    /// The way back to the state before.
    pub back: Bytes,
    /// Checksum over the other columns.
    pub crc: u32,
}

impl EventRow {
    /// Returns the row with its checksum set.
    pub fn sealed(mut self) -> EventRow {
        self.crc = self.checksum();
        self
    }

    /// Checks the checksum.
    pub fn verified(self) -> Result<EventRow, StorageError> {
        if self.crc == self.checksum() {
            return Ok(self);
        }
        Err(StorageError::Corrupt(format!("checksum of event {} of tenant {}", self.revision, self.tenant)))
    }

    fn checksum(&self) -> u32 {
        let crc = RowCrc::new().number(self.sequence).number(u64::from(self.place));
        let crc = crc.number(u64::from(self.tenant.get())).number(self.revision.get()).bytes(self.key.as_bytes());
        let crc = crc.number(u64::from(self.kind.code())).number(self.previous.get());
        let crc = crc.number(self.previous_stamp.schema).number(u64::from(self.previous_stamp.splice));
        crc.bytes(&self.back).finish()
    }

    /// Returns the bytes the row takes, roughly.
    pub fn weight(&self) -> u64 {
        (self.key.as_bytes().len() + self.back.len() + 80) as u64
    }
}

/// What batches move of a tenant's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Last revision handed out.
    pub revision: Revision,
    /// What the tenant stores.
    pub usage: Usage,
}

/// A tenant's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its number.
    pub id: TenantId,
    /// Its lane.
    pub lane: u16,
    /// Its name; `None` once its deletion has begun, so that the name is free.
    pub name: Option<String>,
    /// The upper layer's bytes.
    pub record: Bytes,
    /// Not under the checksum, because every batch moves it.
    pub head: Head,
    /// Revision of the last dropped event (at first: the creation). Not under the checksum either.
    pub floor: Revision,
    /// What uids of base objects are derived from.
    pub seed: [u8; 16],
    /// The bases it went through: hash, and revision of the first object that changed with it.
    pub bases: Vec<(BaseHash, Revision)>,
    /// What the holes of its base objects are filled with.
    pub holes: Vec<Bytes>,
}

impl TenantRecord {
    /// Returns seed, bases and holes as the one column they are stored in.
    pub fn body(&self) -> Vec<u8> {
        let mut out = self.seed.to_vec();
        put_varint(&mut out, self.bases.len() as u64);
        for (hash, revision) in &self.bases {
            out.extend_from_slice(hash);
            put_varint(&mut out, revision.get());
        }
        put_varint(&mut out, self.holes.len() as u64);
        for hole in &self.holes {
            put_bytes(&mut out, hole);
        }
        out
    }

    /// Returns the checksum over everything but what batches move.
    pub fn checksum(&self) -> u32 {
        let crc = RowCrc::new().number(u64::from(self.id.get())).number(u64::from(self.lane));
        let crc = crc.number(u64::from(self.name.is_some())).bytes(self.name.as_deref().unwrap_or("").as_bytes());
        crc.bytes(&self.record).bytes(&self.body()).finish()
    }

    /// Puts a row together from its columns.
    #[expect(clippy::too_many_arguments, reason = "one per column")]
    pub fn from_columns(
        id: u32,
        lane: u16,
        name: Option<String>,
        record: Bytes,
        head: Head,
        floor: u64,
        body: &[u8],
        crc: u32,
    ) -> Result<TenantRecord, StorageError> {
        let damaged = || StorageError::Corrupt(format!("row of tenant {id}"));
        let mut reader = Reader::new(body);
        let row = (|| {
            let seed = reader.take(16)?.try_into().ok()?;
            let mut bases = Vec::new();
            for _ in 0..reader.varint()? {
                bases.push((reader.take(32)?.try_into().ok()?, Revision::new(reader.varint()?)));
            }
            let mut holes = Vec::new();
            for _ in 0..reader.varint()? {
                holes.push(reader.owned()?);
            }
            let floor = Revision::new(floor);
            Some(TenantRecord { id: TenantId::new(id), lane, name, record, head, floor, seed, bases, holes })
        })();
        row.filter(|row| row.checksum() == crc && row.floor <= row.head.revision && !row.bases.is_empty())
            .ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_row_survives_its_columns() {
        let row = TenantRecord {
            id: TenantId::new(7),
            lane: 0,
            name: Some("cp1".to_owned()),
            record: Bytes::from_static(b"record"),
            head: Head { revision: Revision::new(9), usage: Usage { objects: 2, bytes: -30 } },
            floor: Revision::new(4),
            seed: [1; 16],
            bases: vec![([2; 32], Revision::new(4)), ([3; 32], Revision::new(8))],
            holes: vec![Bytes::new(), Bytes::from_static(b"hole")],
        };
        let read = |record: Bytes, crc| {
            TenantRecord::from_columns(7, 0, Some("cp1".to_owned()), record, row.head, 4, &row.body(), crc)
        };
        assert_eq!(read(row.record.clone(), row.checksum()).unwrap(), row);
        assert!(matches!(read(Bytes::from_static(b"recorD"), row.checksum()), Err(StorageError::Corrupt(_))));
    }

    #[test]
    fn flipped_bit_in_a_row_is_found() {
        let key = Key::new("", "pods", Some("a"), "b");
        let value = Bytes::from_static(b"v");
        let revision = Revision::new(3);
        let stamp = Stamp::default();
        let row =
            ObjectRow { tenant: TenantId::new(1), key, revision, stamp, tombstone: false, value, crc: 0 }.sealed();
        assert!(row.clone().verified().is_ok());
        assert!(ObjectRow { value: Bytes::from_static(b"w"), ..row.clone() }.verified().is_err());
        assert!(ObjectRow { revision: Revision::new(4), ..row.clone() }.verified().is_err());
        assert!(ObjectRow { tenant: TenantId::new(2), ..row.clone() }.verified().is_err());
        assert!(ObjectRow { tombstone: true, ..row }.verified().is_err());
    }
}
