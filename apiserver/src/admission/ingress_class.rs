//! DefaultIngressClass: an ingress that names no class gets the one that is marked as default.

use super::storage_class::{annotation, newest_marked};
use super::write::Write;
use kplex_machinery::status::Status;
use serde_json::Value;

const MARK: &str = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

pub(super) async fn admit(write: &Write<'_>, ingress: &mut Value) -> Result<(), Status> {
    let has_class = ingress.pointer("/spec/ingressClassName").is_some_and(|class| !class.is_null());
    if !write.creates("networking.k8s.io", "ingresses") || has_class || annotation(ingress, CLASS_ANNOTATION).is_some()
    {
        return Ok(());
    }
    let classes = write.list("networking.k8s.io", "ingressclasses", None).await?;
    if let Some(class) = newest_marked(&classes, &[MARK]) {
        ingress["spec"]["ingressClassName"] = Value::from(class);
    }
    Ok(())
}
