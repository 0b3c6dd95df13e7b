//! A unified diff of two documents, as messages about immutable specs show it.

use serde_json::Value;

const CONTEXT: usize = 3;

/// Documents of more lines than this are shown without looking for what they have in common.
const LINES_MAX: usize = 2000;

fn pretty(value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing a Value into memory cannot fail.
    if serde::Serialize::serialize(value, &mut serializer).is_err() {
        return Vec::new();
    }
    String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Both,
    Old,
    New,
}

/// Marks each line as old, new or common, from the longest common subsequence.
fn mark<'l>(old: &'l [String], new: &'l [String]) -> Vec<(Mark, &'l str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut out: Vec<(Mark, &str)> = old[..head].iter().map(|line| (Mark::Both, line.as_str())).collect();
    if a.len() > LINES_MAX || b.len() > LINES_MAX {
        out.extend(a.iter().map(|line| (Mark::Old, line.as_str())));
        out.extend(b.iter().map(|line| (Mark::New, line.as_str())));
    } else {
        let width = b.len() + 1;
        let mut lengths = vec![0_u32; (a.len() + 1) * width];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                lengths[i * width + j] = if a[i] == b[j] {
                    lengths[(i + 1) * width + j + 1] + 1
                } else {
                    lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            if i < a.len() && j < b.len() && a[i] == b[j] {
                out.push((Mark::Both, &a[i]));
                i += 1;
                j += 1;
            } else if i < a.len() && (j == b.len() || lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
                out.push((Mark::Old, &a[i]));
                i += 1;
            } else {
                out.push((Mark::New, &b[j]));
                j += 1;
            }
        }
    }
    out.extend(old[old.len() - tail..].iter().map(|line| (Mark::Both, line.as_str())));
    out
}

fn range(start: usize, len: usize) -> String {
    match len {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{len}", start + 1),
    }
}

/// Shows how the second document differs from the first.
pub(super) fn unified(old: &Value, new: &Value) -> String {
    let (old_lines, new_lines) = (pretty(old), pretty(new));
    let marks = mark(&old_lines, &new_lines);
    let changed: Vec<usize> =
        marks.iter().enumerate().filter(|(_, (mark, _))| *mark != Mark::Both).map(|(at, _)| at).collect();
    let mut out = String::new();
    let Some(first) = changed.first() else { return out };
    out.push_str("--- \n+++ \n");
    let mut groups: Vec<(usize, usize)> = vec![(*first, *first)];
    for at in &changed[1..] {
        let last = groups.len() - 1;
        if at - groups[last].1 > 2 * CONTEXT { groups.push((*at, *at)) } else { groups[last].1 = *at }
    }
    for (from, to) in groups {
        let (from, to) = (from.saturating_sub(CONTEXT), (to + CONTEXT + 1).min(marks.len()));
        let count = |slice: &[(Mark, &str)], other: Mark| slice.iter().filter(|(mark, _)| *mark != other).count();
        let (before, hunk) = (&marks[..from], &marks[from..to]);
        out.push_str(&format!(
            "@@ -{} +{} @@\n",
            range(count(before, Mark::New), count(hunk, Mark::New)),
            range(count(before, Mark::Old), count(hunk, Mark::Old))
        ));
        for (mark, line) in hunk {
            out.push(match mark {
                Mark::Both => ' ',
                Mark::Old => '-',
                Mark::New => '+',
            });
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_line_is_shown_with_its_surroundings() {
        let diff = unified(&json!({"a": 1, "b": 2, "c": 3}), &json!({"a": 1, "b": 5, "c": 3}));
        assert_eq!(diff, "--- \n+++ \n@@ -1,5 +1,5 @@\n {\n  \"a\": 1,\n- \"b\": 2,\n+ \"b\": 5,\n  \"c\": 3\n }\n");
        assert_eq!(unified(&json!({}), &json!({})), "");
    }
}
