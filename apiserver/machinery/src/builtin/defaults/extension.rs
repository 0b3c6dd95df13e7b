//! Defaults of kinds that extend the API: admission webhooks and policies, custom resources, aggregated APIs.

use super::doc::{Doc, each, fill, fill_blank, list, path_mut, struct_mut, text, with};
use serde_json::{Value, json};

pub(super) fn validating_webhooks(configuration: &mut Doc) {
    each(configuration, "webhooks", webhook);
}

pub(super) fn mutating_webhooks(configuration: &mut Doc) {
    each(configuration, "webhooks", |hook| {
        webhook(hook);
        fill(hook, "reinvocationPolicy", "Never");
    });
}

fn webhook(hook: &mut Doc) {
    fill(hook, "failurePolicy", "Fail");
    matching(hook);
    fill(hook, "timeoutSeconds", 10);
    with(hook, "clientConfig", client);
    rules(hook, "rules");
}

fn matching(holder: &mut Doc) {
    fill(holder, "matchPolicy", "Equivalent");
    fill(holder, "namespaceSelector", json!({}));
    fill(holder, "objectSelector", json!({}));
}

fn rules(holder: &mut Doc, name: &str) {
    each(holder, name, |rule| fill(rule, "scope", "*"));
}

fn client(config: &mut Doc) {
    with(config, "service", |service| fill(service, "port", 443));
}

pub(super) fn admission_policy(policy: &mut Doc) {
    if let Some(spec) = struct_mut(policy, "spec") {
        fill(spec, "failurePolicy", "Fail");
        with(spec, "matchConstraints", match_resources);
    }
}

pub(super) fn admission_binding(binding: &mut Doc) {
    if let Some(resources) = path_mut(binding, &["spec", "matchResources"]) {
        match_resources(resources);
    }
}

fn match_resources(resources: &mut Doc) {
    matching(resources);
    rules(resources, "resourceRules");
    rules(resources, "excludeResourceRules");
}

pub(super) fn custom_resource_definition(definition: &mut Doc) {
    let Some(spec) = struct_mut(definition, "spec") else { return };
    if let Some(names) = struct_mut(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            fill_blank(names, "singular", kind.to_lowercase());
            fill_blank(names, "listKind", format!("{kind}List"));
        }
    }
    fill(spec, "conversion", json!({ "strategy": "None" }));
    if let Some(config) = path_mut(spec, &["conversion", "webhook", "clientConfig"]) {
        client(config);
    }
    let stored = list(spec, "versions").iter().find(|version| version["storage"] == Value::Bool(true));
    let stored = stored.and_then(|version| version["name"].as_str()).map(str::to_owned);
    if let Some((stored, status)) = stored.zip(struct_mut(definition, "status")) {
        fill_blank(status, "storedVersions", json!([stored]));
    }
}

pub(super) fn api_service(service: &mut Doc) {
    with(service, "spec", client);
}
