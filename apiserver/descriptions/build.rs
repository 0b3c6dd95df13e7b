//! Collects the descriptions of the built-in types from the source of k8s-openapi, which cargo has fetched.
//!
//! The crate is read, not compiled: its `JsonSchema` implementations hold upstream's texts as string literals in a regular
//! layout. What is not found is left out, and the tests of this crate say how much must be there.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The Kubernetes version that is described; the directory of its types in k8s-openapi.
const TYPES: &str = "src/v1_35";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-env-changed=KPLEX_K8S_OPENAPI_DIR");
    println!("cargo::rerun-if-env-changed=CARGO_HOME");
    let source = source_dir();
    let mut found = BTreeMap::new();
    collect(&source.join(TYPES), &mut found);
    assert!(!found.is_empty(), "{} holds no types", source.display());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for ((definition, field), text) in found {
        write!(encoder, "{definition}\0{field}\0{text}\0").expect("a Vec takes all that is written to it");
    }
    let bytes = encoder.finish().expect("a Vec takes all that is written to it");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("descriptions.zlib");
    fs::write(out, bytes).expect("write descriptions");
}

/// Returns the directory of k8s-openapi: what the environment says, cargo's registry, or what cargo itself says. The last
/// may use the network; the others do not.
fn source_dir() -> PathBuf {
    if let Some(dir) = env::var_os("KPLEX_K8S_OPENAPI_DIR") {
        return dir.into();
    }
    registry_dir().or_else(|| metadata_dir(&["--offline"])).or_else(|| metadata_dir(&[])).expect(
        "the source of k8s-openapi is neither in cargo's registry nor could it be fetched; run cargo fetch, or set \
         KPLEX_K8S_OPENAPI_DIR",
    )
}

/// Looks where cargo unpacks crates, for the version in Cargo.lock. A normal build of the workspace has it there, since
/// other crates are compiled with it.
fn registry_dir() -> Option<PathBuf> {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let lock = fs::read_to_string(manifest_dir.join("../../Cargo.lock")).ok()?;
    let (_, rest) = lock.split_once("name = \"k8s-openapi\"\nversion = \"")?;
    let (version, _) = rest.split_once('"')?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    let mut found = registries.flatten().map(|registry| registry.path().join(format!("k8s-openapi-{version}")));
    found.find(|dir| dir.join(TYPES).is_dir())
}

fn metadata_dir(flags: &[&str]) -> Option<PathBuf> {
    let output = Command::new(env::var_os("CARGO")?)
        .args(["metadata", "--format-version", "1"])
        .args(flags)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    manifest_dir(&text)
}

/// Finds `"manifest_path":"…/k8s-openapi-0.29.0/Cargo.toml"` in the output of cargo metadata.
fn manifest_dir(metadata: &str) -> Option<PathBuf> {
    metadata.split("\"manifest_path\":\"").skip(1).find_map(|rest| {
        let path = Path::new(rest.split('"').next()?);
        let dir = path.parent()?;
        let name = dir.file_name()?.to_str()?;
        let version = name.strip_prefix("k8s-openapi-")?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| dir.to_path_buf())
    })
}

fn collect(dir: &Path, found: &mut BTreeMap<(String, String), String>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("read {}: {error}", dir.display())) {
        let path = entry.expect("read a directory entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
            read(&text, found);
        }
    }
}

/// Reads one file: `// Generated from definition <name>`, then a `json_schema!` with texts at known depths.
fn read(text: &str, found: &mut BTreeMap<(String, String), String>) {
    let mut lines = text.lines();
    let Some(definition) = lines.next().and_then(|line| line.strip_prefix("// Generated from definition ")) else {
        return;
    };
    let mut field = "";
    for line in lines.skip_while(|line| !line.contains("json_schema!({")).skip(1) {
        let body = line.trim_start();
        match line.len() - body.len() {
            12 => {
                if let Some(literal) = body.strip_prefix("\"description\": ").and_then(|rest| rest.strip_suffix(',')) {
                    found.entry((definition.to_owned(), String::new())).or_insert_with(|| unquote(literal));
                }
            }
            16 => {
                let name = body.strip_prefix('"').and_then(|rest| rest.split_once("\": "));
                if let Some((name, "{" | "({")) = name {
                    field = name;
                }
            }
            20 => {
                let plain = body.strip_prefix("\"description\": ").and_then(|rest| rest.strip_suffix(','));
                let inserted = body
                    .strip_prefix("schema_obj.ensure_object().insert(\"description\".into(), ")
                    .and_then(|rest| rest.strip_suffix(".into());"));
                if let Some(literal) = plain.or(inserted) {
                    found.entry((definition.to_owned(), field.to_owned())).or_insert_with(|| unquote(literal));
                }
            }
            _ => {}
        }
    }
}

/// Reads a string literal of Rust, as far as k8s-openapi uses them.
fn unquote(literal: &str) -> String {
    let body = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(literal);
    let mut text = String::with_capacity(body.len());
    let mut characters = body.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('u') => {
                let code: String = characters.by_ref().skip(1).take_while(|&c| c != '}').collect();
                text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}
