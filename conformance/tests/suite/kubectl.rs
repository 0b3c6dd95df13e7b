//! kubectl as people use it.

use kplex_conformance::{ControlPlane, Server, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn start(name: &str) -> ControlPlane {
    Server::shared().create(name)
}

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
";

fn json(plane: &ControlPlane, args: &[&str]) -> Value {
    let text = plane.kubectl(&[args, &["-o", "json"]].concat());
    serde_json::from_str(&text).expect("kubectl -o json writes JSON")
}

#[test]
fn apply_creates_then_changes_then_leaves_alone_then_prunes_fields() {
    let plane = start("kubectl-apply");
    let made = plane.kubectl_with(&["apply", "-f", "-"], WEB);
    for line in ["deployment.apps/web created", "service/web created", "configmap/settings created"] {
        assert!(made.contains(line), "{made}");
    }
    let again = plane.kubectl_with(&["apply", "-f", "-"], WEB);
    assert_eq!(again.matches("unchanged").count(), 3, "{again}");
    let changed = WEB.replace("image: nginx:1", "image: nginx:2").replace("data: {colour: red}", "data: {shade: dark}");
    let changed = plane.kubectl_with(&["apply", "-f", "-"], &changed);
    assert!(
        changed.contains("deployment.apps/web configured") && changed.contains("service/web unchanged"),
        "{changed}"
    );
    let settings = json(&plane, &["get", "configmap", "settings"]);
    assert_eq!(settings["data"], serde_json::json!({"shade": "dark"}));
    let web = json(&plane, &["get", "deployment", "web"]);
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(web["spec"]["strategy"]["type"], "RollingUpdate", "defaults are filled in");
    let service = json(&plane, &["get", "service", "web"]);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 80);
    plane.kubectl_with(&["delete", "-f", "-"], WEB);
    assert_eq!(
        plane.kubectl(&["get", "deployment/web", "service/web", "configmap/settings", "--ignore-not-found"]).trim(),
        ""
    );
}

#[test]
fn apply_server_side_tells_conflicts_and_forces() {
    let plane = start("kubectl-ssa");
    plane.kubectl_with(&["apply", "--server-side", "--field-manager=one", "-f", "-"], WEB);
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n";
    let conflict = plane.kubectl_fails(&["apply", "--server-side", "--field-manager=two", "-f", "-"], other);
    assert!(conflict.contains(r#"conflict with "one": .data.colour"#), "{conflict}");
    plane.kubectl_with(&["apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-"], other);
    let settings = json(&plane, &["get", "configmap", "settings", "--show-managed-fields"]);
    assert_eq!(settings["data"]["colour"], "blue");
    let managers = settings["metadata"]["managedFields"].as_array().expect("managed fields");
    let owner = managers.iter().find(|entry| entry["fieldsV1"]["f:data"]["f:colour"].is_object()).expect("an owner");
    assert_eq!((&owner["manager"], &owner["operation"]), (&Value::from("two"), &Value::from("Apply")));
}

#[test]
fn edit_changes_what_the_editor_changed() {
    let plane = start("kubectl-edit");
    plane.kubectl(&["create", "configmap", "edited", "--from-literal=colour=red"]);
    let mut command = plane.kubectl_command(&["edit", "configmap", "edited"]);
    let out = command.env("EDITOR", "sed -i s/red/green/").env_remove("KUBE_EDITOR").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(json(&plane, &["get", "configmap", "edited"])["data"]["colour"], "green");
}

#[test]
fn wait_sees_conditions_and_deletions() {
    let plane = start("kubectl-wait");
    plane.kubectl(&["create", "namespace", "gone"]);
    plane.kubectl(&["wait", "namespace/gone", "--for=jsonpath={.status.phase}=Active", "--timeout=30s"]);
    plane.kubectl(&["delete", "namespace", "gone", "--wait=false"]);
    plane.kubectl(&["wait", "namespace/gone", "--for=delete", "--timeout=60s"]);
    assert!(plane.kubectl_fails(&["get", "namespace", "gone"], "").contains(r#"namespaces "gone" not found"#));
}

#[test]
fn auth_can_i_knows_roles_and_impersonation() {
    let plane = start("kubectl-auth");
    assert_eq!(plane.kubectl(&["auth", "can-i", "delete", "nodes"]).trim(), "yes");
    plane.kubectl(&["create", "role", "reader", "--verb=get,list", "--resource=configmaps"]);
    plane.kubectl(&["create", "rolebinding", "alice-reads", "--role=reader", "--user=alice"]);
    let allowed = wait_until("the role to count", || {
        let out = plane.kubectl_output(&["auth", "can-i", "get", "configmaps", "--as=alice"], "");
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    });
    assert_eq!(allowed, "yes");
    let refused = plane.kubectl_output(&["auth", "can-i", "delete", "configmaps", "--as=alice"], "");
    assert_eq!(String::from_utf8_lossy(&refused.stdout).trim(), "no");
    let list = plane.kubectl(&["auth", "can-i", "--list", "--as=alice"]);
    assert!(list.lines().any(|line| line.starts_with("configmaps") && line.contains("[get list]")), "{list}");
    let forbidden = plane.kubectl_fails(&["get", "secrets", "--as=alice"], "");
    let expected = r#"User "alice" cannot list resource "secrets" in API group "" in the namespace "default""#;
    assert!(forbidden.contains(expected), "{forbidden}");
    // Nobody hands out what they don't have.
    plane.kubectl(&[
        "create",
        "clusterrole",
        "role-writer",
        "--verb=create",
        "--resource=roles.rbac.authorization.k8s.io",
    ]);
    plane.kubectl(&["create", "clusterrolebinding", "bob-writes", "--clusterrole=role-writer", "--user=bob"]);
    let escalation = wait_until("the binding to count", || {
        let args = ["create", "role", "thief", "--verb=get", "--resource=secrets", "--as=bob"];
        let said = plane.kubectl_fails(&args, "");
        (!said.contains("cannot create resource")).then_some(said)
    });
    assert!(escalation.contains("attempting to grant RBAC permissions not currently held"), "{escalation}");
}

#[test]
fn explain_describes_fields() {
    let plane = start("kubectl-explain");
    let pod = plane.kubectl(&["explain", "pod.spec.containers"]);
    for part in ["KIND:       Pod", "FIELD: containers <[]Container>", "imagePullPolicy"] {
        assert!(pod.contains(part), "{part}: {pod}");
    }
    assert!(plane.kubectl(&["explain", "deployment", "--recursive"]).contains("maxSurge"));
}

#[test]
fn api_resources_and_versions_list_everything() {
    let plane = start("kubectl-resources");
    let resources = plane.kubectl(&["api-resources"]);
    for part in ["deployments", "deploy", "customresourcedefinitions", "flowschemas", "resourceclaims"] {
        assert!(resources.contains(part), "{part}: {resources}");
    }
    assert!(plane.kubectl(&["api-versions"]).lines().any(|line| line == "apps/v1"));
    assert!(plane.kubectl(&["version"]).contains("Server Version: v1.35."));
}

#[test]
fn get_watch_prints_changes_as_they_come() {
    let plane = start("kubectl-watch");
    plane.kubectl(&["create", "deployment", "first", "--image=nginx"]);
    let mut command = plane.kubectl_command(&["get", "deployments", "-w"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let heading = next();
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert!(next().starts_with("first "));
    plane.kubectl(&["create", "deployment", "second", "--image=nginx"]);
    assert!(next().starts_with("second "));
    plane.kubectl(&["scale", "deployment", "second", "--replicas=3"]);
    let scaled = next();
    assert!(scaled.starts_with("second ") && scaled.contains("0/3"), "{scaled}");
    child.kill().unwrap();
    child.wait().unwrap();
}

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: engines.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: engines, singular: engine, kind: Engine, shortNames: [eng], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.cylinders, statusReplicasPath: .status.cylinders}}
    additionalPrinterColumns:
    - {name: Cylinders, type: integer, jsonPath: .spec.cylinders}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [fuel]
            properties:
              fuel: {type: string, enum: [petrol, diesel], description: What it burns.}
              cylinders: {type: integer, minimum: 1, default: 4}
          status:
            type: object
            properties: {cylinders: {type: integer}}
";

#[test]
fn custom_resources_are_defaulted_pruned_validated_printed_and_explained() {
    let plane = start("kubectl-crd");
    plane.kubectl_with(&["apply", "-f", "-"], DEFINITION);
    plane.kubectl(&["wait", "crd/engines.example.com", "--for=condition=Established", "--timeout=30s"]);
    let engine = "apiVersion: example.com/v1\nkind: Engine\nmetadata: {name: e}\nspec: {fuel: diesel, colour: red}\nstatus: {cylinders: 9}\n";
    let strict = plane.kubectl_fails(&["apply", "-f", "-"], engine);
    assert!(strict.contains(r#"unknown field "spec.colour""#), "{strict}");
    plane.kubectl_with(&["apply", "--validate=false", "-f", "-"], engine);
    let stored = json(&plane, &["get", "engine", "e"]);
    assert_eq!(stored["spec"], serde_json::json!({"fuel": "diesel", "cylinders": 4}), "pruned and defaulted");
    assert_eq!(stored["status"], Value::Null, "status has a way of its own");
    let table = plane.kubectl(&["get", "eng"]);
    assert!(table.lines().next().unwrap().contains("CYLINDERS"), "{table}");
    let wrong = "apiVersion: example.com/v1\nkind: Engine\nmetadata: {name: bad}\nspec: {fuel: hope, cylinders: 0}\n";
    let wrong = plane.kubectl_fails(&["apply", "-f", "-"], wrong);
    assert!(wrong.contains(r#"spec.fuel: Unsupported value: "hope": supported values: "petrol", "diesel""#), "{wrong}");
    assert!(
        wrong.contains("spec.cylinders: Invalid value: 0: spec.cylinders in body should be greater than or equal to 1"),
        "{wrong}"
    );
    plane.kubectl(&["scale", "engine", "e", "--replicas=8"]);
    assert_eq!(json(&plane, &["get", "engine", "e"])["spec"]["cylinders"], 8);
    plane.kubectl(&[
        "patch",
        "engine",
        "e",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"cylinders":8}}"#,
    ]);
    assert_eq!(json(&plane, &["get", "engine", "e"])["status"]["cylinders"], 8);
    assert!(plane.kubectl(&["explain", "engine.spec.fuel"]).contains("What it burns."));
    plane.kubectl(&["delete", "crd", "engines.example.com"]);
    // What kubectl says depends on how old its copy of the discovery documents is.
    let gone = plane.kubectl_fails(&["get", "engines"], "");
    assert!(gone.contains("the server doesn't have a resource type") || gone.contains("NotFound"), "{gone}");
}

#[test]
fn logs_and_exec_say_that_no_pods_run_here() {
    let plane = start("kubectl-pods");
    plane.kubectl(&["run", "idle", "--image=nginx"]);
    for args in [["logs", "idle"].as_slice(), &["exec", "idle", "--", "true"]] {
        let said = plane.kubectl_fails(args, "");
        assert!(said.to_lowercase().contains("no pods") || said.contains("runs no"), "{args:?}: {said}");
    }
}

#[test]
fn owned_objects_go_with_their_owner() {
    let plane = start("kubectl-owned");
    plane.kubectl(&["create", "configmap", "owner"]);
    let uid = json(&plane, &["get", "configmap", "owner"])["metadata"]["uid"].as_str().unwrap().to_owned();
    let owned = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: owned\n  ownerReferences:\n  - {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}\n"
    );
    plane.kubectl_with(&["apply", "-f", "-"], &owned);
    plane.kubectl(&["delete", "configmap", "owner"]);
    plane.kubectl(&["wait", "secret/owned", "--for=delete", "--timeout=60s"]);
}
