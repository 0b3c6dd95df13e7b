//! Indented JSON for people: bytes in, bytes out, laid out as Go's `json.MarshalIndent` with two spaces does it.
//!
//! Works on what was encoded already, so every answer that is JSON has its indented form.

/// Indents a JSON document that was written without white space outside of strings. No line feed comes at the end.
#[must_use]
pub fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0;
    let (mut in_string, mut escaped) = (false, false);
    for (index, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                if !matches!(json.get(index + 1), Some(b'}' | b']')) {
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    new_line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b'\n' => {}
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn json_is_laid_out_as_go_does() {
        let text = br#"{"a":{},"b":[],"c":[1,{"d":"x,{\"y\\"}],"e":null}
"#;
        let expected = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x,{\\\"y\\\\\"\n    }\n  ],\n  \"e\": null\n}";
        assert_eq!(String::from_utf8(indent(text)).unwrap(), expected);
    }

    #[test]
    fn indented_json_is_the_same_document() {
        for value in [json!("a:b"), json!([]), json!([[[]], {"": [""]}]), json!({"a": [1.5, true, "\u{1}\"\\"]})] {
            let bytes = indent(value.to_string().as_bytes());
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
            assert_eq!(String::from_utf8(bytes).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
