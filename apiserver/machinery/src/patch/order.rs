//! The order of merged lists, which clients see: what a strategic merge patch names follows the patch, the rest follows
//! the server, and both are interleaved by where the items stood before.

use super::strategic::{DIRECTIVE, ORDER_PREFIX, broken, kind_word, no_merge_key, wrong_kind};
use super::{PatchError, go_map};
use serde_json::Value;

/// Returns the type that all items of the lists share.
pub(super) fn element_kind(lists: &[&Vec<Value>]) -> Result<&'static str, PatchError> {
    let mut kinds = lists.iter().flat_map(|list| list.iter()).map(kind_word);
    let Some(first) = kinds.next() else {
        return Err(broken("no elements in any of the given slices"));
    };
    if first == "slice" {
        return Err(PatchError::Rejected("lists of lists are not supported".to_owned()));
    }
    if kinds.any(|kind| kind != first) {
        let shown: Vec<String> = lists.iter().map(|list| go_map(&Value::Array((*list).clone()))).collect();
        return Err(broken(format!("list element types are not identical: [{}]", shown.join(" "))));
    }
    Ok(first)
}

/// Removes repeated scalars by moving the last one into the gap, as upstream does.
pub(super) fn deduplicate(items: &mut Vec<Value>) {
    let mut at = 0;
    while at + 1 < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items[at] == items[other] {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
}

/// What an item is known by in lists that are merged: its key's value, or itself.
fn identity<'a>(item: &'a Value, key: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    if key.is_empty() { item } else { item.get(key).unwrap_or(NOTHING) }
}

fn index_in(order: &[Value], item: &Value, key: &str) -> Option<usize> {
    let wanted = identity(item, key);
    order.iter().position(|other| identity(other, key) == wanted)
}

/// Orders a merged list: items in `patch_order` follow it, the others follow `server_order`, and both are interleaved.
pub(super) fn normalize(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, PatchError> {
    if !key.is_empty() {
        for item in merged.iter().chain(patch_order) {
            match item {
                Value::Object(map) if map.contains_key(key) => {}
                Value::Object(_) => return Err(no_merge_key(item, key)),
                other => return Err(wrong_kind("map", other)),
            }
        }
    }
    let (mut named, mut own): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| index_in(patch_order, item, key).is_some());
    named.sort_by_key(|item| index_in(patch_order, item, key));
    own.sort_by_key(|item| index_in(server_order, item, key).unwrap_or(usize::MAX));
    let mut out = Vec::with_capacity(named.len() + own.len());
    let mut named = named.into_iter().peekable();
    for item in own {
        let place = index_in(server_order, &item, key);
        while let Some(next) = named.peek() {
            let next_place = index_in(server_order, next, key);
            if matches!((place, next_place), (Some(place), Some(next_place)) if place < next_place) {
                break;
            }
            out.extend(named.next());
        }
        out.push(item);
    }
    out.extend(named);
    Ok(out)
}

/// Checks that the items of a patch come in the order that its `$setElementOrder` tells.
pub(super) fn check_order(items: &[Value], order: &[Value], key: &str) -> Result<(), PatchError> {
    if items.is_empty() || order.is_empty() {
        return Ok(());
    }
    let deleted = |item: &&Value| item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
    if let Some(item) = items.iter().find(|item| !key.is_empty() && !item.is_object()) {
        return Err(wrong_kind("map", item));
    }
    let kept: Vec<&Value> = items.iter().filter(|item| key.is_empty() || !deleted(item)).collect();
    let (mut at, mut place) = (0, 0);
    while let (Some(item), Some(other)) = (kept.get(at), order.get(place)) {
        if item.get(DIRECTIVE).is_some() {
            at += 1;
            continue;
        }
        if !key.is_empty() {
            for side in [*item, other] {
                if !side.is_object() {
                    return Err(wrong_kind("map", side));
                }
                if side.get(key).is_none() {
                    return Err(no_merge_key(side, key));
                }
            }
        }
        if identity(item, key) == identity(other, key) {
            at += 1;
        }
        place += 1;
    }
    // Upstream also complains about a directive after the last item that the order names.
    if at < kept.len() {
        let (items, order) = (go_map(&Value::Array(items.to_vec())), go_map(&Value::Array(order.to_vec())));
        return Err(broken(format!(
            "The order in patch list:\n{items}\n doesn't match {ORDER_PREFIX} list:\n{order}\n"
        )));
    }
    Ok(())
}
