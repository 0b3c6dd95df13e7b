//! Tests of warnings.

use super::*;
use serde_json::json;

#[test]
fn addresses_in_old_forms_are_warned_about() {
    let gvk = Gvk::new("discovery.k8s.io", "v1", "EndpointSlice");
    let slice = json!({"addressType": "FQDN", "endpoints": []});
    assert_eq!(warnings_on_create(gvk, &slice), ["spec.addressType: FQDN endpoints are deprecated"]);
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "externalIPs": ["010.0.0.1"]}});
    assert_eq!(
        warnings_on_create(Gvk::new("", "v1", "Service"), &service),
        ["spec.externalIPs[0]: non-standard IP address \"010.0.0.1\" will be considered invalid in a future \
          Kubernetes release: use \"10.0.0.1\""]
    );
}
