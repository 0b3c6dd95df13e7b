//! Bytes that are on disk somewhere: a change here is a change of format.

use bytes::Bytes;

use super::harness::*;
use crate::engine::{EventKind, EventRow, Head, ObjectRow, TenantRecord};
use crate::{Base, BaseItem, Part, Revision, Stamp, TenantId, Usage};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rows_and_encodings_are_what_they_were() {
    let stamp = Stamp { schema: 0x0102_0304_0506_0708, splice: 13 };
    let (tenant, revision) = (TenantId::new(7), Revision::new(300));
    let value = Bytes::from_static(b"{\"a\":12}");
    let object = ObjectRow { tenant, key: pod("a"), revision, stamp, tombstone: false, value, crc: 0 }.sealed();
    let back = crate::delta::way_back(b"{\"a\":12}", b"{\"a\":\"one\"}");
    let event = EventRow {
        sequence: 5,
        place: 2,
        tenant,
        revision,
        key: pod("a"),
        kind: EventKind::Update,
        previous: Revision::new(299),
        previous_stamp: stamp,
        back: back.clone(),
        crc: 0,
    };
    let parts = vec![Part::Literal(Bytes::from_static(b"{")), Part::Splice, Part::Uid, Part::Hole(200)];
    let base = Base::with_version(3, vec![BaseItem { key: namespace("default"), schema: 9, parts }]);
    let row = TenantRecord {
        id: tenant,
        lane: 1,
        name: Some("cp1".to_owned()),
        record: Bytes::from_static(b"record"),
        head: Head { revision, usage: Usage::default() },
        floor: revision,
        seed: [3; 16],
        bases: vec![([4; 32], Revision::new(200))],
        holes: vec![Bytes::from_static(b"hole")],
    };
    let told = [
        ("row key", hex(&crate::key::row_key(tenant, pod("a").as_bytes()))),
        ("object crc", format!("{:08x}", object.crc)),
        ("way back", hex(&back)),
        ("event crc", format!("{:08x}", event.sealed().crc)),
        ("base", hex(&base.encode())),
        ("base hash", hex(&base.hash())),
        ("tenant body", hex(&row.body())),
        ("tenant crc", format!("{:08x}", row.checksum())),
        ("uid", crate::derived_uid(&[3; 16], &namespace("default"))),
    ];
    let told: Vec<String> = told.iter().map(|(name, bytes)| format!("{name}: {bytes}")).collect();
    let golden = include_str!("golden/bytes.txt");
    assert_eq!(told.join("\n"), golden.trim_end(), "a change needs a new format and docs/storage-format.md");
}
