//! ConfigMaps and Secrets.

use crate::builtin::at::At;
use crate::builtin::formats::config_key;
use crate::builtin::same::same;
use crate::field_error::{FieldError, FieldErrors, go_quote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Most bytes that values may have together.
const SIZE_MAX: usize = 1024 * 1024;

/// How Go shows the path of a field without a name.
const NAMELESS: &str = "[]";

/// Number of bytes that base64 stands for.
fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// A ConfigMap.
pub(in super::super) fn config_map(root: &At, errors: &mut FieldErrors) {
    let (data, binary) = (root.get("data"), root.get("binaryData"));
    let mut size = 0;
    for (key, value) in data.entries() {
        value.check_text(errors, key, config_key);
        if binary.get(key).has() {
            value.invalid(errors, key, "duplicate of key present in binaryData");
        }
        size += value.str().len();
    }
    for (key, value) in binary.entries() {
        value.check_text(errors, key, config_key);
        size += decoded_len(value.str());
    }
    if size > SIZE_MAX {
        errors.push(FieldError::too_long(NAMELESS, SIZE_MAX));
    }
}

fn immutable(new: &At, old: &At, fields: &[&str], errors: &mut FieldErrors) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !old.get("immutable").flag() {
        return;
    }
    if !new.get("immutable").flag() {
        new.get("immutable").forbidden(errors, DETAIL);
    }
    for name in fields {
        if !same(new.get(name).value(), old.get(name).value()) {
            new.get(name).forbidden(errors, DETAIL);
        }
    }
}

/// A ConfigMap that replaces another.
pub(in super::super) fn config_map_update(new: &At, old: &At, errors: &mut FieldErrors) {
    immutable(new, old, &["data", "binaryData"], errors);
    config_map(new, errors);
}

/// A Secret.
pub(in super::super) fn secret(root: &At, errors: &mut FieldErrors) {
    let data = root.get("data");
    let mut size = 0;
    for (key, value) in data.entries() {
        value.check_text(errors, key, config_key);
        size += decoded_len(value.str());
    }
    if size > SIZE_MAX {
        data.too_long(errors, SIZE_MAX);
    }
    let require = |key: &str, errors: &mut FieldErrors| {
        let missing = data.value().get(key).is_none();
        if missing {
            data.key(key).required(errors, "");
        }
        !missing
    };
    match root.get("type").str() {
        "kubernetes.io/service-account-token" => {
            let metadata = root.get("metadata");
            let annotations = metadata.get("annotations");
            annotations.key("kubernetes.io/service-account.name").require(errors);
        }
        "kubernetes.io/dockercfg" if require(".dockercfg", errors) => {
            json_object(&data.key(".dockercfg"), errors);
        }
        "kubernetes.io/dockerconfigjson" if require(".dockerconfigjson", errors) => {
            json_object(&data.key(".dockerconfigjson"), errors);
        }
        "kubernetes.io/basic-auth" if ["username", "password"].iter().all(|key| data.value().get(*key).is_none()) => {
            require("username", errors);
            require("password", errors);
        }
        "kubernetes.io/ssh-auth" => {
            data.key("ssh-privatekey").require(errors);
        }
        "kubernetes.io/tls" => {
            require("tls.crt", errors);
            require("tls.key", errors);
        }
        _ => {}
    }
}

fn json_object(at: &At, errors: &mut FieldErrors) {
    const REDACTED: &str = "<secret contents redacted>";
    let bytes = STANDARD.decode(at.str()).unwrap_or_default();
    let complaint = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(Value::String(_)) => go_type_error("string"),
        Ok(Value::Number(_)) => go_type_error("number"),
        Ok(Value::Bool(_)) => go_type_error("bool"),
        Ok(Value::Array(_)) => go_type_error("array"),
        Err(_) => go_syntax_error(&bytes),
    };
    at.invalid(errors, REDACTED, complaint);
}

fn go_type_error(kind: &str) -> String {
    format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
}

/// The complaint of Go's JSON reader about bytes that are not JSON, for the mistakes that people make.
fn go_syntax_error(bytes: &[u8]) -> String {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => "unexpected end of JSON input".to_owned(),
        Some(byte) if !matches!(byte, b'{' | b'[' | b'"' | b'-' | b't' | b'f' | b'n') && !byte.is_ascii_digit() => {
            let shown = go_quote(&char::from(*byte).to_string());
            format!("invalid character '{}' looking for beginning of value", shown.trim_matches('"'))
        }
        Some(_) => match serde_json::from_slice::<Value>(bytes) {
            Err(error) if error.is_eof() => "unexpected end of JSON input".to_owned(),
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        },
    }
}

/// A Secret that replaces another.
pub(in super::super) fn secret_update(new: &At, old: &At, errors: &mut FieldErrors) {
    new.get("type").immutable(errors, old.get("type").value());
    immutable(new, old, &["data"], errors);
    secret(new, errors);
}
