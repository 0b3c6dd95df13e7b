//! How clients reach control planes, and the kubeconfigs that say so (design.md, "Endpoints of a control plane").

use kplex_tenants::kubeconfig::{KubeconfigEntry, kubeconfig};
use kplex_tenants::{Leaf, TenantScope, Tenants, TenantsError};
use std::net::SocketAddr;

/// Where the server listens and under which names.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// The bound address; `None` for a server without a listener.
    pub address: Option<SocketAddr>,
    /// Host-name suffix of control planes.
    pub domain: Option<String>,
}

impl Endpoint {
    /// URL for use from outside: by host name with a domain, else by path on the listen address.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let port = self.address.map_or(9443, |address| address.port());
        match (&self.domain, self.address) {
            (Some(domain), _) => format!("https://{name}.{domain}:{port}"),
            (None, Some(address)) if address.ip().is_unspecified() => {
                format!("https://127.0.0.1:{port}/clusters/{name}")
            }
            (None, Some(address)) => format!("https://{address}/clusters/{name}"),
            (None, None) => format!("https://127.0.0.1:{port}/clusters/{name}"),
        }
    }

    /// URL for use inside the hosting cluster, as KubeFlex has it.
    #[must_use]
    pub fn in_cluster_url(name: &str) -> String {
        format!("https://{name}.{name}-system.svc.cluster.local")
    }

    /// Authority of the certificate that a client of [`Endpoint::url`] sees: the tenant's by host name, the server's by path.
    fn authority_pem(&self, tenants: &Tenants, scope: &TenantScope) -> String {
        if self.domain.is_some() {
            scope.keys().authority().certificate_pem()
        } else {
            tenants.server_authority().certificate_pem()
        }
    }

    /// Returns a kubeconfig for use from outside with a given client certificate.
    #[must_use]
    pub fn kubeconfig(&self, tenants: &Tenants, scope: &TenantScope, leaf: &Leaf) -> String {
        kubeconfig(&KubeconfigEntry {
            name: scope.name(),
            server: &self.url(scope.name()),
            authority_pem: &self.authority_pem(tenants, scope),
            certificate_pem: &leaf.certificate_pem(),
            key_pem: &leaf.key_pem(),
        })
    }

    /// Returns a kubeconfig for use inside the hosting cluster with a given client certificate.
    #[must_use]
    pub fn in_cluster_kubeconfig(scope: &TenantScope, leaf: &Leaf) -> String {
        kubeconfig(&KubeconfigEntry {
            name: scope.name(),
            server: &Self::in_cluster_url(scope.name()),
            authority_pem: &scope.keys().authority().certificate_pem(),
            certificate_pem: &leaf.certificate_pem(),
            key_pem: &leaf.key_pem(),
        })
    }

    /// Returns an administrator's kubeconfig for use from outside, with a fresh certificate.
    ///
    /// # Errors
    /// When no certificate can be issued.
    pub fn admin_kubeconfig(&self, tenants: &Tenants, scope: &TenantScope) -> Result<String, TenantsError> {
        let leaf = scope.keys().issue_admin(tenants.now())?;
        Ok(self.kubeconfig(tenants, scope, &leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_the_path_form_without_a_domain_and_the_host_form_with_one() {
        let address = Some("127.0.0.1:9443".parse().unwrap());
        let path = Endpoint { address, domain: None };
        assert_eq!(path.url("cp1"), "https://127.0.0.1:9443/clusters/cp1");
        let host = Endpoint { address, domain: Some("localtest.me".to_owned()) };
        assert_eq!(host.url("cp1"), "https://cp1.localtest.me:9443");
        assert_eq!(Endpoint::in_cluster_url("cp1"), "https://cp1.cp1-system.svc.cluster.local");
    }
}
