//! The Go modules that declare the API types: where they lie in the module cache, and how Go packages and OpenAPI
//! definitions are named after each other.

use super::golang::{self, Body, Declaration, GoType, Package};
use super::messages::{self, Messages};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Go modules and the prefix of their OpenAPI names.
const MODULES: [(&str, &str); 4] = [
    ("k8s.io/apimachinery", "io.k8s.apimachinery"),
    ("k8s.io/apiextensions-apiserver", "io.k8s.apiextensions-apiserver"),
    ("k8s.io/kube-aggregator", "io.k8s.kube-aggregator"),
    ("k8s.io/api", "io.k8s.api"),
];

/// The packages read so far.
pub(super) struct Modules {
    cache: PathBuf,
    version: String,
    packages: BTreeMap<String, (Package, Messages)>,
}

impl Modules {
    /// Opens the module cache; `version` is that of the modules, such as `v0.35.4`.
    pub(super) fn open(version: &str) -> Result<Self> {
        let output = Command::new("go").args(["env", "GOMODCACHE"]).output();
        let cache = match output {
            Ok(output) if output.status.success() => PathBuf::from(String::from_utf8(output.stdout)?.trim()),
            Ok(_) | Err(_) => PathBuf::from(std::env::var("HOME").context("HOME is not set")?).join("go/pkg/mod"),
        };
        let modules = Self { cache, version: version.to_owned(), packages: BTreeMap::new() };
        for (module, _) in MODULES {
            let dir = modules.cache.join(format!("{module}@{version}"));
            if !dir.exists() {
                bail!("{} is missing; run 'go mod download {module}@{version}'", dir.display());
            }
        }
        Ok(modules)
    }

    /// Returns a package by import path.
    pub(super) fn package(&mut self, path: &str) -> Result<&(Package, Messages)> {
        if !self.packages.contains_key(path) {
            let dir = self.directory(path)?;
            let read = (golang::read_package(&dir, path)?, messages::read(&dir)?);
            self.packages.insert(path.to_owned(), read);
        }
        Ok(&self.packages[path])
    }

    fn directory(&self, path: &str) -> Result<PathBuf> {
        for (module, _) in MODULES {
            if let Some(rest) = path.strip_prefix(module).and_then(|rest| rest.strip_prefix('/')) {
                return Ok(self.cache.join(format!("{module}@{}", self.version)).join(rest));
            }
        }
        bail!("{path} is in none of the known modules")
    }

    /// Returns a declaration.
    pub(super) fn declaration(&mut self, path: &str, name: &str) -> Result<Declaration> {
        let (package, _) = self.package(path)?;
        package.get(name).cloned().with_context(|| format!("{path}.{name} is not declared"))
    }

    /// Whether `generated.proto` has a message for the type.
    pub(super) fn has_message(&mut self, path: &str, name: &str) -> Result<bool> {
        Ok(self.package(path)?.1.contains_key(name))
    }

    /// Follows names of non-struct types to what they stand for.
    pub(super) fn resolve(&mut self, of: &GoType) -> Result<GoType> {
        let mut of = of.clone();
        loop {
            let GoType::Named(path, name) = &of else { return Ok(of) };
            // types.UID, time.Duration and the like are outside of the API packages or plain strings.
            if path.is_empty() || self.directory(path).is_err() {
                return Ok(of);
            }
            match self.declaration(path, name)?.body {
                Body::Struct(_) => return Ok(of),
                Body::Other(next) => of = next,
            }
        }
    }
}

/// Returns the OpenAPI name of a Go type.
pub(super) fn definition_name(path: &str, name: &str) -> String {
    for (module, prefix) in MODULES {
        if let Some(rest) = path.strip_prefix(module).and_then(|rest| rest.strip_prefix('/')) {
            return format!("{prefix}.{}.{name}", rest.replace('/', "."));
        }
    }
    format!("{}.{name}", path.replace('/', "."))
}

/// Returns the import path and Go name of an OpenAPI definition.
pub(super) fn go_name(definition: &str) -> Result<(String, String)> {
    for (module, prefix) in MODULES {
        if let Some(rest) = definition.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) {
            let (package, name) = rest.rsplit_once('.').context("a definition without a package")?;
            return Ok((format!("{module}/{}", package.replace('.', "/")), name.to_owned()));
        }
    }
    bail!("{definition} is not of a known module")
}
