//! `cargo xtask gen-api`: asks a real kube-apiserver and the Go module cache for the facts of the built-in API and
//! writes `apiserver/machinery/data`.
//!
//! Another Kubernetes version is another `--kubernetes`, with the server and the modules of that version at hand.

mod bootstrap;
mod golang;
mod messages;
mod modules;
mod resources;
mod server;
#[expect(unreachable_pub, reason = "the file is public where it lives, in kplex-machinery")]
#[path = "../../../apiserver/machinery/src/api/table.rs"]
mod table;
mod types;

use crate::repository;
use anyhow::{Context, Result, bail};
use modules::Modules;
use serde::Serialize;
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use table::Table;

struct Options {
    kubernetes: String,
    server: Server,
    check: bool,
}

/// Runs the command.
pub(crate) fn run(args: Vec<String>) -> Result<()> {
    let options = parse(args)?;
    let version = options.server.get("/version")?["gitVersion"].as_str().unwrap_or_default().to_owned();
    let patch = version.strip_prefix('v').context("the server does not tell its version")?;
    if !patch.starts_with(&format!("{}.", options.kubernetes)) {
        bail!("the server runs {version}, not {}", options.kubernetes);
    }
    let data = repository().join("apiserver/machinery/data");
    fs::create_dir_all(&data)?;
    let table = api_table(&options.server, patch)?;
    settle(&options, &data.join(format!("api-{}.json", options.kubernetes)), &write_table(&table)?)?;
    let bootstrap = bootstrap::read(&options.server, &table.resources)?;
    settle(&options, &data.join(format!("bootstrap-{}.json", options.kubernetes)), &write_bootstrap(patch, &bootstrap)?)
}

fn parse(args: Vec<String>) -> Result<Options> {
    let server = Server { url: "https://127.0.0.1:16443".to_owned(), token: "admin".to_owned() };
    let mut options = Options { kubernetes: "1.35".to_owned(), server, check: false };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--kubernetes" => options.kubernetes = value()?,
            "--server" => options.server.url = value()?.trim_end_matches('/').to_owned(),
            "--token" => options.server.token = value()?,
            "--check" => options.check = true,
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(options)
}

/// Writes a file, or with `--check` compares it.
fn settle(options: &Options, path: &Path, text: &str) -> Result<()> {
    if !options.check {
        return fs::write(path, text).with_context(|| format!("write {}", path.display()));
    }
    let found = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if found == text {
        return Ok(());
    }
    let line = found.lines().zip(text.lines()).position(|(a, b)| a != b).map_or(0, |line| line + 1);
    bail!("{} is out of date, first at line {line}; run 'cargo xtask gen-api'", path.display())
}

fn api_table(server: &Server, patch: &str) -> Result<Table> {
    let (_, minor) = patch.split_once('.').context("a version without a minor")?;
    let mut modules = Modules::open(&format!("v0.{minor}"))?;
    let groups = resources::groups(server)?;
    let documents = documents(server, &groups)?;
    let all: Vec<Value> = documents.values().cloned().collect();
    let types = types::build(&types::collect(&all)?, &mut modules)?;
    let resources = resources::resources(server, &groups, &documents, &types)?;
    Ok(Table { kubernetes: patch.to_owned(), groups, resources, types })
}

/// Reads the OpenAPI v3 documents of the built-in groups.
fn documents(server: &Server, groups: &[table::GroupRow]) -> Result<BTreeMap<String, Value>> {
    let index = server.get("/openapi/v3")?;
    let mut documents = BTreeMap::new();
    for (path, entry) in index["paths"].as_object().context("no OpenAPI v3 index")? {
        let group = path.strip_prefix("apis/").map(|rest| rest.split('/').next().unwrap_or_default());
        let foreign = group.is_some_and(|group| !groups.iter().any(|known| known.name == group));
        if foreign {
            continue;
        }
        let url = entry["serverRelativeURL"].as_str().context("an OpenAPI document without an address")?;
        documents.insert(path.clone(), server.get(url)?);
    }
    Ok(documents)
}

/// Writes the table with one row a line.
fn write_table(table: &Table) -> Result<String> {
    let mut text = format!("{{\"kubernetes\":{},\n", serde_json::to_string(&table.kubernetes)?);
    write_rows(&mut text, "groups", &table.groups)?;
    text.push_str(",\n");
    write_rows(&mut text, "resources", &table.resources)?;
    text.push_str(",\n");
    write_rows(&mut text, "types", &table.types)?;
    text.push_str("}\n");
    Ok(text)
}

fn write_bootstrap(patch: &str, bootstrap: &bootstrap::Bootstrap) -> Result<String> {
    let mut text = format!("{{\"kubernetes\":{},\n", serde_json::to_string(patch)?);
    write_rows(&mut text, "holes", &bootstrap.holes)?;
    text.push_str(",\n");
    write_rows(&mut text, "objects", &bootstrap.objects)?;
    text.push_str("}\n");
    Ok(text)
}

fn write_rows<T: Serialize>(text: &mut String, name: &str, rows: &[T]) -> Result<()> {
    text.push_str(&format!("\"{name}\":[\n"));
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&serde_json::to_string(row)?);
        text.push_str(if index + 1 < rows.len() { ",\n" } else { "\n" });
    }
    text.push(']');
    Ok(())
}
