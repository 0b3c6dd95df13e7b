//! Host names: which tenant a host name means, and which names a control plane's certificate carries.
//!
//! Pure: a name is taken apart, nothing is looked up. So a name of a control plane that does not exist is treated
//! like one that does.

use std::net::{IpAddr, Ipv4Addr};

use crate::limits::HOST_BYTES_MAX;
use crate::name::TenantName;

/// The address of the Service `kubernetes` in the namespace `default`.
pub const SERVICE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));

/// The names under which a serving certificate is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServingNames {
    /// Host names, lower case.
    pub hosts: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

/// How host names map to tenants in this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Control planes are reached at `<name>.<domain>`, if there is one. Invariant: lower case, no dot at either end.
    domain: Option<String>,
}

impl Endpoints {
    /// Makes the mapping for a domain, or for cluster-internal names only.
    pub fn new(domain: Option<&str>) -> Endpoints {
        Endpoints {
            domain: domain.map(|domain| domain.trim_matches('.').to_ascii_lowercase()).filter(|d| !d.is_empty()),
        }
    }

    /// Returns the domain of control planes.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Returns the tenant that a host name (no port) means by its form: `<cp>.<domain>`, `<cp>.<cp>-system`, and the
    /// latter with `.svc` or `.svc.cluster.local`.
    pub fn tenant_of(&self, host: &str) -> Option<TenantName> {
        if host.len() > HOST_BYTES_MAX {
            return None;
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if let Some(label) = self.domain.as_deref().and_then(|domain| host.strip_suffix(domain)?.strip_suffix('.')) {
            return TenantName::parse(label).ok();
        }
        let (label, rest) = host.split_once('.')?;
        let namespace = rest.strip_suffix(".svc.cluster.local").or(rest.strip_suffix(".svc")).unwrap_or(rest);
        match namespace.strip_suffix("-system") == Some(label) {
            true => TenantName::parse(label).ok(),
            false => None,
        }
    }

    /// Returns the names in a control plane's certificate; `extra` are hosts that were claimed for it, such as a
    /// Route's.
    pub fn serving_names(&self, name: &TenantName, extra: &[String]) -> ServingNames {
        let mut hosts = Vec::new();
        if let Some(domain) = &self.domain {
            hosts.push(format!("{name}.{domain}"));
        }
        for suffix in ["", ".svc", ".svc.cluster.local"] {
            hosts.push(format!("{name}.{name}-system{suffix}"));
        }
        hosts.extend(extra.iter().cloned());
        for internal in ["kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
            hosts.push(internal.to_owned());
        }
        hosts.push("kubernetes.default.svc.cluster.local".to_owned());
        hosts.push("localhost".to_owned());
        ServingNames { hosts, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), SERVICE_ADDRESS] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(endpoints: &Endpoints, host: &str) -> Option<String> {
        endpoints.tenant_of(host).map(|name| name.to_string())
    }

    #[test]
    fn every_documented_form_routes_to_its_tenant() {
        let endpoints = Endpoints::new(Some(".LocalTest.me."));
        for host in [
            "cp1.localtest.me",
            "CP1.localtest.ME.",
            "cp1.cp1-system",
            "cp1.cp1-system.svc",
            "cp1.cp1-system.svc.cluster.local",
        ] {
            assert_eq!(tenant(&endpoints, host).as_deref(), Some("cp1"), "{host}");
        }
    }

    #[test]
    fn other_names_route_to_no_tenant() {
        let endpoints = Endpoints::new(Some("localtest.me"));
        for host in [
            "localtest.me",
            ".localtest.me",
            "a.b.localtest.me",
            "cp1localtest.me",
            "cp1.cp2-system",
            "cp1.cp1-system.svc.cluster",
            "kubernetes.default.svc",
            "localhost",
            "-.localtest.me",
            "",
            &"a".repeat(300),
        ] {
            assert_eq!(tenant(&endpoints, host), None, "{host}");
        }
        assert_eq!(tenant(&Endpoints::default(), "cp1.localtest.me"), None);
    }

    #[test]
    fn every_routed_form_is_in_the_certificate() {
        let endpoints = Endpoints::new(Some("localtest.me"));
        let name = TenantName::parse("cp1").unwrap();
        let names = endpoints.serving_names(&name, &["cp1.apps.example.com".to_owned()]);
        let routed: Vec<_> = names.hosts.iter().filter(|host| endpoints.tenant_of(host).is_some()).collect();
        assert_eq!(routed.len(), 4);
        assert!(names.hosts.contains(&"cp1.apps.example.com".to_owned()));
        assert!(names.addresses.contains(&SERVICE_ADDRESS));
    }
}
