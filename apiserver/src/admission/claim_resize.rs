//! PersistentVolumeClaimResize: only a bound claim grows, and only where its class allows it.

use super::storage_class::class_of;
use super::write::{Write, text};
use kplex_machinery::quantity::Quantity;
use kplex_machinery::status::Status;
use serde_json::Value;

pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    let Some(old) = write.old.filter(|_| write.updates("", "persistentvolumeclaims")) else { return Ok(()) };
    if !grows(new, old) {
        return Ok(());
    }
    if text(old, "/status/phase") != "Bound" {
        return Err(write.forbidden(new, "Only bound persistent volume claims can be expanded"));
    }
    let (class, old_class) = (class_of(new), class_of(old));
    let expands = !class.is_empty()
        && class == old_class
        && write
            .find("storage.k8s.io", "storageclasses", None, class)
            .await?
            .is_some_and(|class| class.get("allowVolumeExpansion").and_then(Value::as_bool).unwrap_or(false));
    if expands {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    Err(write.forbidden(new, why))
}

fn grows(new: &Value, old: &Value) -> bool {
    let size = |claim| Quantity::parse(text(claim, "/spec/resources/requests/storage")).unwrap_or_default();
    size(new) > size(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_compare_by_value() {
        let claim = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
        assert!(grows(&claim("2Gi"), &claim("1025Mi")));
        assert!(!grows(&claim("1024Mi"), &claim("1Gi")));
    }
}
