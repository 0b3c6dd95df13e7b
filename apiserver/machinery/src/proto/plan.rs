//! The wire layout of every type of a schema: fields by number, embedded structs as messages of their own.

use crate::schema::{Kind, Node, Schema};
use std::collections::BTreeMap;

/// Layouts of all nodes of one schema, by node id.
#[derive(Debug)]
pub struct Plans {
    pub(super) nodes: Vec<Layout>,
}

/// How one type is laid out.
#[derive(Debug)]
pub(super) enum Layout {
    /// A message with the fields of an object.
    Message(Vec<Entry>),
    /// JSON text in field 1 (`RawExtension`, `FieldsV1`, `JSON`).
    Raw,
    /// `JSONSchemaPropsOrArray`: a schema in field 1 or several in field 2.
    SchemaOrArray,
    /// `JSONSchemaPropsOrBool`: a boolean in field 1, a schema in field 2.
    SchemaOrBool,
    /// `JSONSchemaPropsOrStringArray`: a schema in field 1 or strings in field 2.
    SchemaOrStrings,
    /// Anything else; the kind of the node says it all.
    Plain,
}

/// One field number of a message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u16,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Index into the fields of the node.
    Field(usize),
    /// A struct that Go embeds and JSON inlines.
    Embedded(Vec<Entry>),
}

impl Plans {
    pub(super) fn of(schema: &Schema) -> &Self {
        schema.plans.get_or_init(|| Self { nodes: schema.nodes.iter().map(layout).collect() })
    }
}

fn layout(node: &Node) -> Layout {
    match node.kind {
        Kind::Object => {
            let paths = node.fields.iter().enumerate().map(|(index, field)| (field.proto.as_slice(), index));
            Layout::Message(entries(paths.filter(|(path, _)| !path.is_empty())))
        }
        Kind::Any => match node.name.rsplit('.').next() {
            Some("JSONSchemaPropsOrArray") => Layout::SchemaOrArray,
            Some("JSONSchemaPropsOrBool") => Layout::SchemaOrBool,
            Some("JSONSchemaPropsOrStringArray") => Layout::SchemaOrStrings,
            Some(_) | None => Layout::Raw,
        },
        Kind::Map
        | Kind::List
        | Kind::String
        | Kind::Bytes
        | Kind::Int32
        | Kind::Int64
        | Kind::Number
        | Kind::Boolean
        | Kind::IntOrString
        | Kind::Quantity
        | Kind::Time
        | Kind::MicroTime
        | Kind::Duration => Layout::Plain,
    }
}

/// Groups fields by the first number of their paths.
fn entries<'a>(paths: impl Iterator<Item = (&'a [u16], usize)>) -> Vec<Entry> {
    let mut by_number: BTreeMap<u16, Vec<(&[u16], usize)>> = BTreeMap::new();
    for (path, index) in paths {
        let (first, rest) = path.split_first().expect("only fields with numbers are laid out");
        by_number.entry(*first).or_default().push((rest, index));
    }
    let entry = |(number, fields): (u16, Vec<(&[u16], usize)>)| {
        let what = match fields.as_slice() {
            [([], index)] => What::Field(*index),
            _ => What::Embedded(entries(fields.into_iter())),
        };
        Entry { number, what }
    };
    by_number.into_iter().map(entry).collect()
}

/// Finds a field number.
pub(super) fn find(entries: &[Entry], number: u64) -> Option<&What> {
    let found = entries.binary_search_by(|entry| u64::from(entry.number).cmp(&number)).ok()?;
    Some(&entries[found].what)
}
