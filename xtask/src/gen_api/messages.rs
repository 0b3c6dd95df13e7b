//! A reader of `generated.proto`: messages with their field names and numbers.
//!
//! Go's `protobuf` tags carry the same numbers; both are read so that a slip in either is found.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Messages of one package, by name; each maps field numbers to field names.
pub(super) type Messages = BTreeMap<String, BTreeMap<u16, String>>;

/// Reads the messages of a package; a package without a `generated.proto` has none.
pub(super) fn read(dir: &Path) -> Result<Messages> {
    let path = dir.join("generated.proto");
    if !path.exists() {
        return Ok(Messages::new());
    }
    let text = std::fs::read_to_string(&path)?;
    parse(&text).with_context(|| format!("read {}", path.display()))
}

fn parse(text: &str) -> Result<Messages> {
    let mut messages = Messages::new();
    let mut current: Option<(String, BTreeMap<u16, String>)> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("message ").and_then(|rest| rest.strip_suffix(" {")) {
            current = Some((name.to_owned(), BTreeMap::new()));
        } else if line == "}" {
            messages.extend(current.take());
        } else if let Some((_, fields)) = &mut current
            && !line.starts_with("//")
            && let Some((declaration, number)) = line.strip_suffix(';').and_then(|line| line.split_once(" = "))
        {
            let name = declaration.rsplit(' ').next().unwrap_or_default();
            fields.insert(number.trim().parse().with_context(|| format!("number of '{line}'"))?, name.to_owned());
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_with_their_numbers() {
        let text = "message Empty {\n}\n\nmessage A {\n  // message B {\n  // optional string no = 9;\n  \
                    optional .k8s.io.x.Meta metadata = 1;\n\n  map<string, bytes> data = 20;\n}\n";
        let messages = parse(text).expect("readable");
        assert_eq!(messages.keys().collect::<Vec<_>>(), ["A", "Empty"]);
        let fields: Vec<(u16, &str)> = messages["A"].iter().map(|(number, name)| (*number, name.as_str())).collect();
        assert_eq!(fields, [(1, "metadata"), (20, "data")]);
    }
}
