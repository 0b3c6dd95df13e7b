//! A reader of Go type declarations: struct fields with their types, tags and markers.
//!
//! It relies on gofmt's layout (one field a line, closing brace in the first column), which every file of the module
//! cache has; it is not a Go parser and knows nothing of Kubernetes.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Declared types of one package, by name.
pub(super) type Package = BTreeMap<String, Declaration>;

/// One `type` declaration.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Struct(Vec<GoField>),
    /// Any other type expression: `type Verbs []string`.
    Other(GoType),
}

#[derive(Debug, Clone)]
pub(super) struct GoField {
    /// Go name; the type's own name when embedded.
    pub(super) name: String,
    pub(super) of: GoType,
    pub(super) embedded: bool,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) markers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum GoType {
    Pointer(Box<GoType>),
    List(Box<GoType>),
    Map(Box<GoType>, Box<GoType>),
    /// Import path (empty for predeclared types) and name.
    Named(String, String),
    Interface,
    /// Functions, channels and the like, which no API type has.
    Foreign,
}

const PREDECLARED: [&str; 14] = [
    "bool", "byte", "error", "float32", "float64", "int", "int16", "int32", "int64", "int8", "rune", "string",
    "uint32", "uint64",
];

/// Reads every declaration of the package in `dir`, whose import path is `path`.
pub(super) fn read_package(dir: &Path, path: &str) -> Result<Package> {
    let mut package = Package::new();
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".go") || name.ends_with("_test.go") || name.contains("generated") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        read_file(&text, path, &mut package).with_context(|| format!("read {}", file.display()))?;
    }
    Ok(package)
}

fn read_file(text: &str, path: &str, package: &mut Package) -> Result<()> {
    let imports = imports(text);
    let scope = Scope { path, imports: &imports };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("type ") else { continue };
        let rest = strip_comment(rest).trim_end();
        let Some((name, of)) = rest.split_once(' ') else { bail!("cannot read '{line}'") };
        let of = of.trim_start_matches("= ").trim();
        let body = match of {
            "struct {" => Body::Struct(read_fields(&mut lines, &scope)?),
            "struct{}" => Body::Struct(Vec::new()),
            _ if of.starts_with("interface") || of.starts_with("func") || of.starts_with("struct") => continue,
            _ => match scope.parse(of) {
                Ok(parsed) => Body::Other(parsed),
                Err(_) => continue,
            },
        };
        package.insert(name.to_owned(), Declaration { body });
    }
    Ok(())
}

fn read_fields<'a>(lines: &mut impl Iterator<Item = &'a str>, scope: &Scope<'_>) -> Result<Vec<GoField>> {
    let mut fields = Vec::new();
    let mut markers = Vec::new();
    let mut in_comment = false;
    for line in lines {
        if line.starts_with('}') {
            return Ok(fields);
        }
        let line = line.trim();
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
            continue;
        }
        if let Some(comment) = line.strip_prefix("//") {
            note_marker(comment, &mut markers);
            continue;
        }
        if line.is_empty() {
            continue;
        }
        fields.extend(read_field(line, scope, std::mem::take(&mut markers)).with_context(|| format!("read '{line}'"))?);
    }
    bail!("a struct does not end")
}

fn read_field(line: &str, scope: &Scope<'_>, markers: Vec<String>) -> Result<Vec<GoField>> {
    let (declaration, tags) = match line.split_once('`') {
        Some((declaration, tags)) => (declaration.trim(), read_tags(tags.split('`').next().unwrap_or_default())),
        None => (strip_comment(line).trim(), BTreeMap::new()),
    };
    let Some((names, of)) = declaration.split_once(' ').filter(|(names, _)| !names.starts_with("map[")) else {
        let of = scope.parse(declaration).unwrap_or(GoType::Foreign);
        let name = declaration.trim_start_matches('*').rsplit('.').next().unwrap_or_default().to_owned();
        return Ok(vec![GoField { name, of, embedded: true, tags, markers }]);
    };
    // 'A, B string' splits after 'A,'.
    let mut names: Vec<&str> = vec![names];
    let mut of = of.trim();
    while names.last().is_some_and(|name| name.ends_with(',')) {
        let (name, rest) = of.split_once(' ').context("a field list without a type")?;
        names.push(name);
        of = rest.trim();
    }
    let of = scope.parse(of).unwrap_or(GoType::Foreign);
    let field = |name: &&str| GoField {
        name: name.trim_end_matches(',').to_owned(),
        of: of.clone(),
        embedded: false,
        tags: tags.clone(),
        markers: markers.clone(),
    };
    Ok(names.iter().map(field).collect())
}

/// Reads `json:"name,omitempty" protobuf:"bytes,1,opt"`.
fn read_tags(text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once(":\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        tags.insert(key.trim().to_owned(), value.to_owned());
        rest = after;
    }
    tags
}

fn note_marker(comment: &str, markers: &mut Vec<String>) {
    let comment = comment.trim();
    if comment.starts_with('+') {
        markers.push(comment.to_owned());
    }
}

fn strip_comment(text: &str) -> &str {
    text.split("//").next().unwrap_or_default()
}

/// Returns import paths by the name they are used under.
fn imports(text: &str) -> BTreeMap<String, String> {
    let mut imports = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        let spec = match line {
            "import (" => {
                inside = true;
                continue;
            }
            ")" if inside => break,
            _ if inside => line,
            _ => match line.strip_prefix("import ") {
                Some(spec) => spec,
                None => continue,
            },
        };
        let Some((alias, path)) = spec.split_once('"') else { continue };
        let path = path.split('"').next().unwrap_or_default();
        let alias = match alias.trim() {
            "" => path.rsplit('/').next().unwrap_or_default(),
            alias => alias,
        };
        imports.insert(alias.to_owned(), path.to_owned());
    }
    imports
}

struct Scope<'a> {
    path: &'a str,
    imports: &'a BTreeMap<String, String>,
}

impl Scope<'_> {
    fn parse(&self, text: &str) -> Result<GoType> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('*') {
            return Ok(GoType::Pointer(Box::new(self.parse(rest)?)));
        }
        if let Some(rest) = text.strip_prefix("[]") {
            return Ok(GoType::List(Box::new(self.parse(rest)?)));
        }
        if let Some(rest) = text.strip_prefix("map[") {
            let (key, value) = rest.split_once(']').context("a map type without ]")?;
            return Ok(GoType::Map(Box::new(self.parse(key)?), Box::new(self.parse(value)?)));
        }
        if matches!(text, "interface{}" | "any") {
            return Ok(GoType::Interface);
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') || text.is_empty() {
            bail!("cannot read type '{text}'");
        }
        match text.split_once('.') {
            Some((alias, name)) => {
                let path = self.imports.get(alias).with_context(|| format!("no import is named {alias}"))?;
                Ok(GoType::Named(path.clone(), name.to_owned()))
            }
            None if PREDECLARED.contains(&text) => Ok(GoType::Named(String::new(), text.to_owned())),
            None => Ok(GoType::Named(self.path.to_owned(), text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verbs masks the value.
type Verbs []string

type phase string

type Thing struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	/*
		Not a field string `json:"no"`
	*/
	Limits map[phase]*resource.Quantity `json:"limits" protobuf:"bytes,2,rep,name=limits"` // trailing
	A, B   []byte                       `json:"-"`
	Hook   func(string) error
}

type Empty struct{}

type Doer interface {
	Do() error
}
"#;

    fn named(path: &str, name: &str) -> GoType {
        GoType::Named(path.to_owned(), name.to_owned())
    }

    #[test]
    fn structs_are_read_with_types_tags_and_markers() {
        let mut package = Package::new();
        read_file(SOURCE, "example.com/v1", &mut package).expect("readable");
        let names: Vec<&String> = package.keys().collect();
        assert_eq!(names, ["Empty", "Thing", "Verbs", "phase"]);
        let Body::Struct(fields) = &package["Thing"].body else { panic!("Thing is a struct") };
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["TypeMeta", "ObjectMeta", "Limits", "A", "B", "Hook"]);
        assert!(fields[1].embedded && !fields[2].embedded);
        assert_eq!(fields[1].of, named("k8s.io/apimachinery/pkg/apis/meta/v1", "ObjectMeta"));
        assert_eq!(fields[1].markers, ["+optional"]);
        assert_eq!(fields[1].tags["protobuf"], "bytes,1,opt,name=metadata");
        let quantity = named("k8s.io/apimachinery/pkg/api/resource", "Quantity");
        let limits =
            GoType::Map(Box::new(named("example.com/v1", "phase")), Box::new(GoType::Pointer(Box::new(quantity))));
        assert_eq!(fields[2].of, limits);
        assert_eq!(fields[4].of, GoType::List(Box::new(named("", "byte"))));
        assert_eq!(fields[5].of, GoType::Foreign);
    }

    #[test]
    fn an_unfinished_struct_is_an_error() {
        let mut package = Package::new();
        assert!(read_file("type A struct {\n\tB string\n", "p", &mut package).is_err());
    }
}
