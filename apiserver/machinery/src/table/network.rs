//! Cells of services and of what routes to them.

use super::Printer;
use super::age::age;
use super::column::{AGE, NAME, text as column, wide};
use super::fields::{at, int, joined, list, pointer_or, shortened, text};
use super::labels::{labels, selector};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How many entries of a list are shown.
const SHOWN: usize = 3;

pub(super) const PRINTERS: &[Printer] = &[
    Printer {
        group: "",
        resource: "services",
        kind: "Service",
        columns: &[
            NAME,
            column("Type", "How the service is exposed."),
            column("Cluster-IP", "Address inside the cluster."),
            column("External-IP", "Addresses outside the cluster."),
            column("Port(s)", "Ports that the service listens on."),
            AGE,
            wide("Selector", "Labels of the pods behind the service."),
        ],
        cells: service,
    },
    Printer {
        group: "",
        resource: "endpoints",
        kind: "Endpoints",
        columns: &[NAME, column("Endpoints", "Addresses and ports behind the service."), AGE],
        cells: endpoints,
    },
    Printer {
        group: "discovery.k8s.io",
        resource: "endpointslices",
        kind: "EndpointSlice",
        columns: &[
            NAME,
            column("AddressType", "What the addresses are."),
            column("Ports", "Ports of each endpoint."),
            column("Endpoints", "Addresses of the endpoints."),
            AGE,
        ],
        cells: endpoint_slice,
    },
    Printer {
        group: "networking.k8s.io",
        resource: "ingresses",
        kind: "Ingress",
        columns: &[
            NAME,
            column("Class", "IngressClass that the ingress belongs to."),
            column("Hosts", "Hosts that requests are matched against."),
            column("Address", "Addresses of the load balancer."),
            column("Ports", "Ports that are open."),
            AGE,
        ],
        cells: ingress,
    },
    Printer {
        group: "networking.k8s.io",
        resource: "ingressclasses",
        kind: "IngressClass",
        columns: &[
            NAME,
            column("Controller", "Who serves ingresses of this class."),
            column("Parameters", "Object with more settings."),
            AGE,
        ],
        cells: ingress_class,
    },
    Printer {
        group: "networking.k8s.io",
        resource: "networkpolicies",
        kind: "NetworkPolicy",
        columns: &[NAME, column("Pod-Selector", "Labels of the pods that the policy is for."), AGE],
        cells: |object, now| vec![name(object), json!(selector(at(object, "spec.podSelector"))), age(object, now)],
    },
    Printer {
        group: "networking.k8s.io",
        resource: "servicecidrs",
        kind: "ServiceCIDR",
        columns: &[NAME, column("CIDRs", "Ranges that service addresses are taken from."), AGE],
        cells: |object, now| vec![name(object), json!(joined(object, "spec.cidrs", ",")), age(object, now)],
    },
    // There is an age in each row but no column for it, as upstream.
    Printer {
        group: "networking.k8s.io",
        resource: "ipaddresses",
        kind: "IPAddress",
        columns: &[NAME, column("ParentRef", "Object that the address is taken for.")],
        cells: ip_address,
    },
];

fn name(object: &Value) -> Value {
    json!(text(object, "metadata.name"))
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let cluster_ip = list(object, "spec.clusterIPs").first().and_then(Value::as_str).unwrap_or("<none>");
    let ports: Vec<String> = list(object, "spec.ports").iter().map(service_port).collect();
    let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
    vec![
        name(object),
        json!(text(object, "spec.type")),
        json!(cluster_ip),
        json!(external_ip(object)),
        json!(ports),
        age(object, now),
        json!(labels(at(object, "spec.selector"))),
    ]
}

fn service_port(port: &Value) -> String {
    let (number, protocol) = (int(port, "port"), text(port, "protocol"));
    match int(port, "nodePort") {
        node_port if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

fn external_ip(object: &Value) -> String {
    let external = joined(object, "spec.externalIPs", ",");
    match text(object, "spec.type") {
        "ClusterIP" | "NodePort" if external.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => external,
        "LoadBalancer" => match (load_balancer(object), external) {
            (balancer, external) if balancer.is_empty() && external.is_empty() => "<pending>".to_owned(),
            (balancer, external) if external.is_empty() => balancer,
            (balancer, external) if balancer.is_empty() => external,
            (balancer, external) => format!("{balancer},{external}"),
        },
        "ExternalName" => text(object, "spec.externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Returns the sorted addresses of a load balancer.
fn load_balancer(object: &Value) -> String {
    let mut addresses: Vec<&str> = list(object, "status.loadBalancer.ingress")
        .iter()
        .map(|ingress| Some(text(ingress, "ip")).filter(|ip| !ip.is_empty()).unwrap_or(text(ingress, "hostname")))
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.join(",")
}

fn endpoints(object: &Value, now: Timestamp) -> Vec<Value> {
    let subsets = list(object, "subsets");
    if subsets.is_empty() {
        return vec![name(object), json!("<none>"), age(object, now)];
    }
    let mut shown = Vec::new();
    for subset in subsets {
        let addresses = list(subset, "addresses").iter().map(|address| text(address, "ip"));
        let ports = list(subset, "ports");
        if ports.is_empty() {
            shown.extend(addresses.map(str::to_owned));
            continue;
        }
        for port in ports {
            let port = int(port, "port");
            shown.extend(
                addresses.clone().map(
                    |ip| {
                        if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
                    },
                ),
            );
        }
    }
    vec![name(object), json!(shortened(&shown, shown.len(), SHOWN, ",")), age(object, now)]
}

fn endpoint_slice(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = list(object, "ports")
        .iter()
        .map(|port| match at(port, "port").as_i64() {
            Some(number) => number.to_string(),
            None => pointer_or(port, "name", "*").to_owned(),
        })
        .collect();
    let addresses: Vec<String> = list(object, "endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    let show = |items: &[String]| match shortened(items, items.len(), SHOWN, ",") {
        text if text.is_empty() => json!("<unset>"),
        text => json!(text),
    };
    vec![name(object), json!(text(object, "addressType")), show(&ports), show(&addresses), age(object, now)]
}

fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports = if list(object, "spec.tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(object),
        json!(pointer_or(object, "spec.ingressClassName", "<none>")),
        json!(hosts(list(object, "spec.rules"))),
        json!(load_balancer(object)),
        json!(ports),
        age(object, now),
    ]
}

/// Returns the first hosts. Rules without a host are not shown but counted among those left out.
fn hosts(rules: &[Value]) -> String {
    let mut shown = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= shown.len() == SHOWN;
        let host = text(rule, "host");
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.join(",") {
        text if text.is_empty() => "*".to_owned(),
        text if more => format!("{text} + {} more...", rules.len() - SHOWN),
        text => text,
    }
}

fn ingress_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let parameters = at(object, "spec.parameters");
    let (kind, parameter) = (text(parameters, "kind"), text(parameters, "name"));
    let shown = match at(parameters, "apiGroup").as_str() {
        _ if parameters.is_null() => "<none>".to_owned(),
        Some(group) => format!("{kind}.{group}/{parameter}"),
        None => format!("{kind}/{parameter}"),
    };
    vec![name(object), json!(text(object, "spec.controller")), json!(shown), age(object, now)]
}

fn ip_address(object: &Value, now: Timestamp) -> Vec<Value> {
    let parent = at(object, "spec.parentRef");
    let mut shown = text(parent, "resource").to_lowercase();
    for (separator, field) in [('.', "group"), ('/', "namespace")] {
        let part = text(parent, field);
        if !part.is_empty() {
            shown.push(separator);
            shown.push_str(&if field == "group" { part.to_lowercase() } else { part.to_owned() });
        }
    }
    shown = if parent.is_null() { "<none>".to_owned() } else { format!("{shown}/{}", text(parent, "name")) };
    vec![name(object), json!(shown), age(object, now)]
}
