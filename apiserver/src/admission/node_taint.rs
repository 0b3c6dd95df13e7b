//! TaintNodesByCondition: a new node gets no pods before it says that it is ready.

use super::write::{Write, items, list_mut, text};
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn admit(write: &Write<'_>, node: &mut Value) {
    if write.creates("", "nodes") {
        taint(node);
    }
}

fn taint(node: &mut Value) {
    let tainted = items(node, "/spec/taints")
        .iter()
        .any(|taint| text(taint, "/key") == NOT_READY && text(taint, "/effect") == "NoSchedule");
    if !tainted {
        list_mut(&mut node["spec"], "taints").push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_tainted_once() {
        let mut node = json!({"spec": {}});
        taint(&mut node);
        taint(&mut node);
        assert_eq!(node, json!({"spec": {"taints": [{"key": NOT_READY, "effect": "NoSchedule"}]}}));
    }
}
