//! Defaults of HorizontalPodAutoscalers. Those of `autoscaling/v1` that need the annotations are part of conversion.

use super::doc::{Doc, fill, fill_blank, set, struct_mut, unset, with};
use serde_json::{Value, json};

/// The average CPU utilization that is aimed at when no metric is given.
pub(crate) const CPU_PERCENT: i64 = 80;

pub(super) fn v1(autoscaler: &mut Doc) {
    if let Some(spec) = struct_mut(autoscaler, "spec") {
        fill(spec, "minReplicas", 1);
    }
}

pub(super) fn v2(autoscaler: &mut Doc) {
    let Some(spec) = struct_mut(autoscaler, "spec") else { return };
    fill(spec, "minReplicas", 1);
    let target = json!({ "type": "Utilization", "averageUtilization": CPU_PERCENT });
    fill_blank(spec, "metrics", json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }]));
    with(spec, "behavior", |behavior| {
        let pods = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
        let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
        if unset(behavior, "scaleUp") {
            set(behavior, "scaleUp", json!({}));
        }
        if unset(behavior, "scaleDown") {
            set(behavior, "scaleDown", json!({}));
        }
        with(behavior, "scaleUp", |rules| {
            fill(rules, "stabilizationWindowSeconds", 0);
            scaling_rules(rules, vec![pods, percent.clone()]);
        });
        with(behavior, "scaleDown", |rules| scaling_rules(rules, vec![percent]));
    });
}

fn scaling_rules(rules: &mut Doc, policies: Vec<Value>) {
    fill(rules, "selectPolicy", "Max");
    fill(rules, "policies", policies);
}
