//! The two forms of a control plane's URL, and what the process itself answers.

use kplex_conformance::{ControlPlane, Options, Server, Store};
use std::process::{Command, Output};

const DOMAIN: &str = "kplex.test";

/// Asks the host form of a control plane, with a certificate authority that the answer's certificate must come from.
fn curl(server: &Server, authority: &std::path::Path, host: &str, args: &[&str], path: &str) -> Output {
    let port = server.address().port();
    let mut command = Command::new("curl");
    command.args(["-s", "-S", "-w", "\n%{http_code} %{http_version}", "--max-time", "30", "--cacert"]).arg(authority);
    command.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]).args(args);
    command.arg(format!("https://{host}:{port}{path}")).output().expect("run curl")
}

/// Writes a certificate or key of the kubeconfig into a file beside it.
fn extract(plane: &ControlPlane, key: &str) -> std::path::PathBuf {
    let path = plane.path().with_file_name(key);
    std::fs::write(&path, plane.certificate_data(key)).expect("write a file");
    path
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_control_plane_has_a_host_name_of_its_own() {
    let server = Server::start(Options { store: Store::Memory, domain: Some(DOMAIN.to_owned()) });
    let (red, blue) = (control_plane(&server, "red"), control_plane(&server, "blue"));
    assert_eq!(red.url(), format!("https://red.{DOMAIN}:{}", server.address().port()));
    let [authority, certificate, key] =
        ["certificate-authority-data", "client-certificate-data", "client-key-data"].map(|key| extract(&red, key));
    let credentials = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let host = format!("red.{DOMAIN}");

    for version in ["--http1.1", "--http2"] {
        let args = [credentials.as_slice(), &[version]].concat();
        let seen = text(&curl(&server, &authority, &host, &args, "/api/v1/namespaces/default"));
        assert!(seen.contains("\n200 "), "{version}: {seen}");
    }

    // The other one shows a certificate of its own authority.
    let other = format!("blue.{DOMAIN}");
    let refused = curl(&server, &authority, &other, &[], "/version");
    assert!(!refused.status.success(), "red's authority has not signed blue's certificate: {}", text(&refused));
    // With its own authority it answers, and red's certificate means nothing there.
    let authority_of_blue = extract(&blue, "certificate-authority-data");
    let seen = text(&curl(&server, &authority_of_blue, &other, &credentials, "/api/v1/namespaces/default"));
    assert!(seen.contains("\n401 "), "{seen}");
    // A request for another control plane on this connection goes astray.
    let header = format!("Host: {other}");
    let args = [credentials.as_slice(), &["-H", &header]].concat();
    let seen = text(&curl(&server, &authority, &host, &args, "/api/v1/namespaces/default"));
    assert!(seen.contains("\n421 "), "{seen}");
}

/// Makes a control plane through the hub; `kplex` can't reach it by host name here, because nothing resolves that.
fn control_plane(server: &Server, name: &str) -> ControlPlane {
    use base64::Engine;
    let hub = server.hub();
    let authority = extract(&hub, "certificate-authority-data");
    let [certificate, key] = ["client-certificate-data", "client-key-data"].map(|key| extract(&hub, key));
    let credentials = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let body = format!(
        r#"{{"apiVersion":"tenancy.kflex.kubestellar.org/v1alpha1","kind":"ControlPlane","metadata":{{"name":"{name}"}},"spec":{{"type":"k8s"}}}}"#
    );
    let host = format!("hub.{DOMAIN}");
    let post = [credentials.as_slice(), &["-H", "Content-Type: application/json", "-d", &body]].concat();
    let made =
        text(&curl(server, &authority, &host, &post, "/apis/tenancy.kflex.kubestellar.org/v1alpha1/controlplanes"));
    assert!(made.contains("\n201 "), "{made}");
    let path = format!("/api/v1/namespaces/{name}-system/secrets/admin-kubeconfig");
    let kubeconfig = kplex_conformance::wait_until("the Secret with the kubeconfig", || {
        let seen = text(&curl(server, &authority, &host, &credentials, &path));
        let (document, code) = seen.rsplit_once('\n')?;
        let document: serde_json::Value = code.starts_with("200").then(|| serde_json::from_str(document).ok())??;
        document["data"]["kubeconfig"].as_str().map(str::to_owned)
    });
    let bytes = base64::engine::general_purpose::STANDARD.decode(kubeconfig).expect("base64");
    ControlPlane::new(name, String::from_utf8(bytes).expect("a kubeconfig is text"))
}

#[tokio::test]
async fn both_versions_of_http_are_served_by_path() {
    let plane = Server::shared().create("by-path");
    let [certificate, key] = ["client-certificate-data", "client-key-data"].map(|key| extract(&plane, key));
    let authority = extract(&plane, "certificate-authority-data");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let mut command = Command::new("curl");
        command
            .args(["-sS", flag, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--cacert"])
            .arg(&authority);
        command.arg("--cert").arg(&certificate).arg("--key").arg(&key);
        let out = command.arg(format!("{}/api/v1/namespaces", plane.url())).output().unwrap();
        assert_eq!(text(&out), format!("200 {version}"));
    }
}

#[tokio::test]
async fn the_process_answers_probes_and_metrics() {
    let server = Server::shared();
    let base = format!("https://{}", server.address());
    let ask = |path: &str| {
        let out = Command::new("curl").args(["-sk", &format!("{base}{path}")]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(ask(path), "ok");
    }
    assert!(ask("/readyz?verbose").contains("[+]ping ok"));
    assert!(ask("/version").contains("\"gitVersion\": \"v1.35."));
    assert!(ask("/metrics").contains("kplex_requests_total"));
    assert!(!ask("/metrics").contains("tenant="), "no series is per tenant");
}
