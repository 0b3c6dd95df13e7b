//! Writes `docs/limits.md` from the sources: every limit with its value and the reason in its doc comment.

use crate::repository;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where limits of the server are. Those of `apiserver/machinery` are upstream's rules about objects.
const SOURCES: [&str; 5] = ["apiserver/src", "tenants/src", "storage/src", "controllers/src", "cli/src"];
const HEAD: &str = "# Limits

Everything has a limit. This file is written by `cargo xtask gen-limits` from the sources, where each stands with its reason;
[operations](operations.md) says what users meet beyond the most common ones. Limits of one control plane are the defaults of
`TenantLimits`, stored with it; limits that an embedding program may move are those with small letters.
";

/// A limit as the sources have it.
struct Limit {
    name: String,
    value: String,
    reason: String,
}

/// Writes the file, or with `--check` compares it.
///
/// # Errors
/// When the file is not what the sources say.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let path = repository().join("docs/limits.md");
    let text = document()?;
    match args {
        [] => fs::write(&path, text).context("write docs/limits.md"),
        [check] if check == "--check" => match fs::read_to_string(&path)? == text {
            true => Ok(()),
            false => bail!("docs/limits.md is old; run `cargo xtask gen-limits`"),
        },
        _ => bail!("usage: cargo xtask gen-limits [--check]"),
    }
}

fn document() -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&repository().join(source), &mut files)?;
    }
    files.sort();
    let mut out = HEAD.to_owned();
    for file in files {
        let limits = limits(&fs::read_to_string(&file)?, file.ends_with("limits.rs"));
        if limits.is_empty() {
            continue;
        }
        let name = file.strip_prefix(repository())?.display().to_string();
        write!(out, "\n## [{name}](../{name})\n\n| limit | value | what and why |\n|---|---|---|\n")?;
        for Limit { name, value, reason } in limits {
            writeln!(out, "| `{name}` | {value} | {} |", reason.replace('|', "\\|"))?;
        }
    }
    Ok(out)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        if path.is_dir() && !is_test {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            files.push(path);
        }
    }
    Ok(())
}

/// Finds the limits of a source file: all constants and fields with a default in files of limits, elsewhere constants
/// whose name says that they are one.
fn limits(source: &str, all: bool) -> Vec<Limit> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let mut limits = Vec::new();
    let mut reason: Vec<&str> = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            reason.push(text);
            continue;
        }
        let doc = std::mem::take(&mut reason).join(" ");
        let item = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
        if let Some((name, value)) = item.strip_prefix("const ").and_then(constant) {
            if !doc.is_empty() && (all || name.ends_with("_MAX")) {
                limits.push(Limit { name, value: shown(value), reason: doc });
            }
        } else if let Some((name, _)) = item.split_once(": ").filter(|_| all && line.starts_with("pub ")) {
            let assigned = source.lines().rev().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
            if let Some(value) = assigned.and_then(|value| value.strip_suffix(',')) {
                limits.push(Limit { name: name.to_owned(), value: shown(value), reason: doc });
            }
        }
    }
    limits
}

fn constant(item: &str) -> Option<(String, &str)> {
    let (name, rest) = item.split_once(": ")?;
    let (_, value) = rest.split_once(" = ")?;
    Some((name.to_owned(), value.strip_suffix(';')?))
}

/// Writes a value for people: numbers with separators, powers of two as bytes, durations with their unit.
fn shown(value: &str) -> String {
    let unit = [("from_millis", "ms"), ("from_secs", "s"), ("from_mins", "min"), ("from_hours", "h")];
    for (call, unit) in unit {
        let inner = value.split_once(&format!("{call}(")).and_then(|(_, rest)| rest.strip_suffix(')'));
        if let Some(number) = inner.and_then(number) {
            return duration(number, unit);
        }
    }
    match number(value) {
        Some(bytes) if value.contains("<<") || value.contains("* 1024") => size(bytes),
        Some(number) => separated(number),
        None => format!("`{value}`"),
    }
}

fn number(text: &str) -> Option<u64> {
    let product = |text: &str| {
        text.split('*').map(|part| part.trim().replace('_', "").parse::<u64>().ok()).try_fold(1, |a, b| Some(a * b?))
    };
    match text.split_once("<<") {
        Some((left, right)) => Some(product(left)? << product(right)?),
        None => product(text),
    }
}

fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    // Halves of a unit read better than many of the next one.
    let unit = units.into_iter().find(|(bits, _)| bytes >> bits > 0 && bytes.is_multiple_of(1 << (bits - 1)));
    match unit {
        Some((bits, unit)) if bytes.is_multiple_of(1 << bits) => format!("{} {unit}", separated(bytes >> bits)),
        Some((bits, unit)) => format!("{}.5 {unit}", bytes >> bits),
        None => format!("{} bytes", separated(bytes)),
    }
}

fn duration(number: u64, unit: &str) -> String {
    let seconds = match unit {
        "s" => number,
        "min" => number * 60,
        "h" => number * 3_600,
        _ => return format!("{number} {unit}"),
    };
    match seconds {
        _ if seconds >= 86_400 && seconds % 86_400 == 0 => format!("{} days", separated(seconds / 86_400)),
        _ if seconds >= 3_600 && seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        _ if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn separated(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_says_what_the_sources_say() {
        run(&["--check".to_owned()]).unwrap();
    }

    #[test]
    fn values_are_written_for_people() {
        for (value, text) in [
            ("3 << 20", "3 MiB"),
            ("1536 * 1024", "1.5 MiB"),
            ("50_000", "50,000"),
            ("Duration::from_secs(5 * 60)", "5 min"),
            ("Duration::from_millis(50)", "50 ms"),
            ("SignedDuration::from_hours(10 * 365 * 24)", "3,650 days"),
            ("u32::MAX", "`u32::MAX`"),
        ] {
            assert_eq!(shown(value), text, "{value}");
        }
    }

    #[test]
    fn fields_have_their_defaults() {
        let source = "pub struct L {\n    /// Why.\n    pub a_max: usize,\n}\nimpl Default for L {\n    L {\n        a_max: 7,\n    }\n}";
        let found = limits(source, true);
        assert_eq!((found.len(), found[0].name.as_str(), found[0].value.as_str()), (1, "a_max", "7"));
        assert!(limits(source, false).is_empty());
    }
}
