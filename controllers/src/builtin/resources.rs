//! Resources by where they are stored, by kind, and the paths of their objects.

use super::process::{Failure, Tenant};
use kplex_apiserver::catalog;
use kplex_apiserver::resource::Served;
use kplex_machinery::api::GroupVersion;
use kplex_machinery::crd::compare_versions;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Built-in stored resources, one for each place in the store: two groups may serve the same objects.
fn by_storage() -> &'static HashMap<String, Arc<Served>> {
    static TABLE: OnceLock<HashMap<String, Arc<Served>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table: HashMap<String, Arc<Served>> = HashMap::new();
        for served in catalog::builtin().values().filter(|served| served.is_stored()) {
            let place = place(served);
            let better = table.get(&place).is_none_or(|other| is_better(served, other, &place));
            if better {
                table.insert(place, served.clone());
            }
        }
        table
    })
}

/// The home group's most stable version stands for a place in the store.
fn is_better(served: &Served, other: &Served, place: &str) -> bool {
    let at_home = |served: &Served| place.starts_with(&format!("{}/", served.group));
    match (at_home(served), at_home(other)) {
        (true, false) => true,
        (false, true) => false,
        _ => compare_versions(&served.version, &other.version).is_lt(),
    }
}

/// Returns where objects of a resource are stored: `group/plural/`.
#[must_use]
pub(crate) fn place(served: &Served) -> String {
    String::from_utf8_lossy(served.prefix(None).as_bytes()).into_owned()
}

/// Returns the built-in resource that is stored under a group and plural name.
#[must_use]
pub(crate) fn builtin(group: &str, plural: &str) -> Option<Arc<Served>> {
    by_storage().get(&format!("{group}/{plural}/")).cloned()
}

/// Returns all built-in stored resources, each place in the store once.
pub(crate) fn all_builtin() -> impl Iterator<Item = &'static Arc<Served>> {
    by_storage().values()
}

/// Returns the custom resources that a tenant serves, each in its best version.
///
/// # Errors
/// When the definitions can't be read.
pub(crate) async fn custom(tenant: &Tenant) -> Result<Vec<Arc<Served>>, Failure> {
    let custom = catalog::custom(&tenant.scope, &tenant.process.controllers.shared.interner).await?;
    let mut best: HashMap<String, Arc<Served>> = HashMap::new();
    for served in custom.served() {
        let place = place(served);
        if best.get(&place).is_none_or(|other| compare_versions(&served.version, &other.version).is_lt()) {
            best.insert(place, served.clone());
        }
    }
    Ok(best.into_values().collect())
}

/// Returns the resource that an owner reference means.
///
/// # Errors
/// When the definitions can't be read.
pub(crate) async fn of_kind(tenant: &Tenant, api_version: &str, kind: &str) -> Result<Option<Arc<Served>>, Failure> {
    let wanted = GroupVersion::parse(api_version);
    let fits =
        |served: &&Arc<Served>| served.group == wanted.group && served.version == wanted.version && served.kind == kind;
    let builtin = catalog::builtin().values().filter(|served| served.is_stored()).find(fits);
    if let Some(served) = builtin {
        return Ok(Some(served.clone()));
    }
    let custom = catalog::custom(&tenant.scope, &tenant.process.controllers.shared.interner).await?;
    Ok(custom.served().find(fits).cloned())
}

/// Returns the path of a collection.
#[must_use]
pub(crate) fn collection(served: &Served, namespace: Option<&str>) -> String {
    let root = if served.group.is_empty() {
        format!("/api/{}", served.version)
    } else {
        format!("/apis/{}/{}", served.group, served.version)
    };
    match namespace.filter(|_| served.namespaced) {
        Some(namespace) => format!("{root}/namespaces/{}/{}", escape(namespace), served.plural),
        None => format!("{root}/{}", served.plural),
    }
}

/// Returns the path of an object.
#[must_use]
pub(crate) fn object(served: &Served, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}", collection(served, namespace), escape(name))
}

/// Escapes a name for a path.
#[must_use]
pub(crate) fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_the_store_has_one_resource_and_objects_have_paths() {
        let events = builtin("", "events").unwrap();
        assert_eq!(events.group, "", "events are stored as core objects");
        assert!(builtin("events.k8s.io", "events").is_none());
        let deployments = builtin("apps", "deployments").unwrap();
        assert_eq!(object(&deployments, Some("a"), "b"), "/apis/apps/v1/namespaces/a/deployments/b");
        let roles = builtin("rbac.authorization.k8s.io", "clusterroles").unwrap();
        assert_eq!(object(&roles, None, "a:b c"), "/apis/rbac.authorization.k8s.io/v1/clusterroles/a:b%20c");
        assert_eq!(builtin("autoscaling", "horizontalpodautoscalers").unwrap().version, "v2");
    }
}
