//! Ingresses and their classes.

use super::core::service::balancer_hostname;
use super::meta;
use crate::builtin::at::At;
use crate::builtin::formats::{
    dns_label, dns_subdomain, dns1035_label, path_segment, port_name, port_number, wildcard_subdomain,
};
use crate::builtin::ip::{legacy_ip, parse};
use crate::field_error::FieldErrors;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What an old ingress excuses.
#[derive(Clone, Copy, Default)]
struct Rules {
    any_secret: bool,
    any_wildcard_rule: bool,
    relaxed_service: bool,
}

impl Rules {
    fn after(old: &At) -> Self {
        let spec = old.get("spec");
        let relaxed = |backend: &At| {
            let service = backend.get("service");
            let name = service.get("name").str();
            service.has() && dns_label(name).is_empty() && !dns1035_label(name).is_empty()
        };
        let any_secret = spec.get("tls").items().any(|tls| {
            let secret = tls.get("secretName").str();
            !secret.is_empty() && !dns_subdomain(secret).is_empty()
        });
        let any_wildcard_rule = spec.get("rules").items().any(|rule| {
            let mut errors = FieldErrors::new();
            rule_value(&rule, Self::default(), &mut errors);
            rule.get("host").str().contains('*') && !errors.is_empty()
        });
        let relaxed_service = relaxed(&spec.get("defaultBackend"))
            || spec.get("rules").items().any(|rule| {
                let http = rule.get("http");
                http.get("paths").items().any(|path| relaxed(&path.get("backend")))
            });
        Self { any_secret, any_wildcard_rule, relaxed_service }
    }
}

/// An ingress.
pub(super) fn ingress(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let rules = old.map(Rules::after).unwrap_or_default();
    let at = root.get("spec");
    spec(&at, rules, errors);
    let metadata = root.get("metadata");
    let annotations = metadata.get("annotations");
    let (annotation, class) = (annotations.get(CLASS_ANNOTATION), at.get("ingressClassName"));
    if old.is_none() && annotation.has() && class.has() && annotation.str() != class.str() {
        let annotations = root.get("annotations");
        let place = annotations.named(CLASS_ANNOTATION, annotation.value());
        place.invalid_here(errors, "must match `ingressClassName` when both are specified");
    }
}

fn spec(at: &At, rules: Rules, errors: &mut FieldErrors) {
    let (list, default) = (at.get("rules"), at.get("defaultBackend"));
    if list.is_empty() && !default.has() {
        let message = "either `defaultBackend` or `rules` must be specified";
        at.invalid(errors, list.value().clone(), message);
    }
    if default.has() {
        backend(&default, rules, errors);
    }
    for rule in list.items() {
        let host = rule.get("host");
        let wildcard = host.str().contains('*');
        if !host.is_empty() {
            if parse(host.str()).is_some() {
                host.invalid(errors, host.str(), "must be a DNS name, not an IP address");
            }
            host.check(errors, if wildcard { wildcard_subdomain } else { dns_subdomain });
        }
        if !wildcard || !rules.any_wildcard_rule {
            rule_value(&rule, rules, errors);
        }
    }
    for tls in at.get("tls").items() {
        for host in tls.get("hosts").items() {
            host.check(errors, if host.str().contains('*') { wildcard_subdomain } else { dns_subdomain });
        }
        if !rules.any_secret {
            tls.get("secretName").check_set(errors, dns_subdomain);
        }
    }
    let class = at.get("ingressClassName");
    if class.has() {
        class.check(errors, dns_subdomain);
    }
}

fn rule_value(rule: &At, rules: Rules, errors: &mut FieldErrors) {
    let http = rule.get("http");
    if !http.has() {
        return;
    }
    let paths = http.get("paths");
    paths.require(errors);
    paths.items().for_each(|item| path(&item, rules, errors));
}

fn path(at: &At, rules: Rules, errors: &mut FieldErrors) {
    let (kind, text) = (at.get("pathType"), at.get("path"));
    let absolute = text.str().starts_with('/');
    match kind.text() {
        None => {
            kind.required(errors, "pathType must be specified");
            return;
        }
        Some("Exact" | "Prefix") => {
            if !absolute {
                text.invalid(errors, text.str(), "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| text.str().contains(part)) {
                text.invalid(errors, text.str(), format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].into_iter().filter(|end| text.str().ends_with(end)) {
                text.invalid(errors, text.str(), format!("cannot end with '{end}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if !text.is_empty() && !absolute {
                text.invalid(errors, text.str(), "must be an absolute path");
            }
        }
        Some(_) => kind.unsupported(errors, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&at.get("backend"), rules, errors);
}

fn backend(at: &At, rules: Rules, errors: &mut FieldErrors) {
    let (resource, service) = (at.get("resource"), at.get("service"));
    match (resource.has(), service.has()) {
        (true, true) => at.invalid(errors, "", "cannot set both resource and service backends"),
        (true, false) => typed_reference(&resource, errors),
        (false, true) => {
            let format = if rules.relaxed_service { dns_label } else { dns1035_label };
            service.get("name").require_check(errors, format);
            let port = service.get("port");
            let (name, number) = (port.get("name"), port.get("number"));
            match (name.is_empty(), number.int() == 0) {
                (false, false) => at.invalid(errors, "", "cannot set both port name & port number"),
                (false, true) => name.check(errors, port_name),
                (true, false) => number.check_int(errors, port_number),
                (true, true) => at.required(errors, "port name or number is required"),
            }
        }
        (false, false) => at.invalid(errors, "", "resource or service backend is required"),
    }
}

fn typed_reference(at: &At, errors: &mut FieldErrors) {
    let group = at.get("apiGroup");
    if group.has() {
        group.check(errors, dns_subdomain);
    }
    at.get("kind").require_check(errors, path_segment);
    at.get("name").require_check(errors, path_segment);
}

/// A write to the status of an ingress.
pub(super) fn status_update(new: &At, old: &At, errors: &mut FieldErrors) {
    let (status, before) = (new.get("status"), old.get("status"));
    let (balancer, before) = (status.get("loadBalancer"), before.get("loadBalancer"));
    let before = before.get("ingress");
    let known: Vec<&str> =
        before.items().filter_map(|item| item.get("ip").text()).filter(|text| !text.is_empty()).collect();
    for item in balancer.get("ingress").items() {
        let ip = item.get("ip");
        if !ip.is_empty() {
            legacy_ip(&ip, ip.str(), &known, errors);
        }
        balancer_hostname(&item, errors);
    }
}

/// A class of ingresses.
pub(super) fn class(root: &At, old: Option<&At>, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let controller = spec.get("controller");
    if let Some(old) = old {
        controller.immutable(errors, old.get("spec").get("controller").value());
    }
    if controller.len() > 250 {
        controller.too_long(errors, 250);
    }
    meta::domain_path(&controller, errors);
    let parameters = spec.get("parameters");
    if parameters.has() {
        class_parameters(&parameters, errors);
    }
}

fn class_parameters(at: &At, errors: &mut FieldErrors) {
    typed_reference(at, errors);
    let (scope, namespace) = (at.get("scope"), at.get("namespace"));
    match scope.text() {
        None => scope.required(errors, ""),
        Some("Namespace") if !namespace.has() => {
            namespace.required(errors, "`parameters.scope` is set to 'Namespace'");
        }
        Some("Namespace") => namespace.check(errors, dns_label),
        Some("Cluster") => {
            if namespace.has() {
                namespace.forbidden(errors, "`parameters.scope` is set to 'Cluster'");
            }
        }
        Some(_) => scope.unsupported(errors, &["Cluster", "Namespace"]),
    }
}
