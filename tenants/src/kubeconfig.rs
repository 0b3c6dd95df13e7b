//! Writes kubeconfig files in KubeFlex's layout: cluster `<cp>-cluster`, user `<cp>-admin`, context `<cp>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How to reach one control plane as its administrator.
#[derive(Clone, Copy, Debug)]
pub struct KubeconfigEntry<'a> {
    /// The control plane's name, which is the context's.
    pub name: &'a str,
    /// The URL of its endpoint.
    pub server: &'a str,
    /// The authority that signed the endpoint's certificate, in PEM.
    pub authority_pem: &'a str,
    /// The client certificate, in PEM.
    pub certificate_pem: &'a str,
    /// The client key, in PEM.
    pub key_pem: &'a str,
}

/// Returns a kubeconfig with one control plane, which is the current context.
pub fn kubeconfig(entry: &KubeconfigEntry<'_>) -> String {
    kubeconfig_of(std::slice::from_ref(entry), entry.name)
}

/// Returns a kubeconfig with several control planes.
pub fn kubeconfig_of(entries: &[KubeconfigEntry<'_>], current: &str) -> String {
    let (mut clusters, mut contexts, mut users) = (String::new(), String::new(), String::new());
    for entry in entries {
        let (context, cluster, user) =
            (scalar(entry.name), scalar(&format!("{}-cluster", entry.name)), scalar(&format!("{}-admin", entry.name)));
        clusters.push_str(&format!(
            "- cluster:\n    certificate-authority-data: {}\n    server: {}\n  name: {cluster}\n",
            STANDARD.encode(entry.authority_pem),
            scalar(entry.server),
        ));
        contexts.push_str(&format!(
            "- context:\n    cluster: {cluster}\n    namespace: default\n    user: {user}\n  name: {context}\n"
        ));
        users.push_str(&format!(
            "- name: {user}\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            STANDARD.encode(entry.certificate_pem),
            STANDARD.encode(entry.key_pem),
        ));
    }
    format!(
        "apiVersion: v1\nclusters:\n{clusters}contexts:\n{contexts}current-context: {}\nkind: Config\n\
         preferences: {{}}\nusers:\n{users}",
        scalar(current),
    )
}

/// Returns a YAML scalar that reads back as this string: `1e3` and `true` are names too.
fn scalar(text: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/:".contains(c))
        && !text.ends_with(':')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    match plain {
        true => text.to_owned(),
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_kubeflex() {
        let text = kubeconfig(&KubeconfigEntry {
            name: "cp1",
            server: "https://127.0.0.1:9443/clusters/cp1",
            authority_pem: "ca",
            certificate_pem: "crt",
            key_pem: "key",
        });
        let expected = "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://127.0.0.1:9443/clusters/cp1
  name: cp1-cluster
contexts:
- context:
    cluster: cp1-cluster
    namespace: default
    user: cp1-admin
  name: cp1
current-context: cp1
kind: Config
preferences: {}
users:
- name: cp1-admin
  user:
    client-certificate-data: Y3J0
    client-key-data: a2V5
";
        assert_eq!(text, expected);
    }

    #[test]
    fn names_that_look_like_other_types_are_quoted() {
        for (name, written) in [("cp1", "cp1"), ("123", "\"123\""), ("true", "\"true\""), ("1e3", "\"1e3\"")] {
            assert_eq!(scalar(name), written);
        }
        assert_eq!(scalar("https://[::1]:9443"), "\"https://[::1]:9443\"");
    }
}
