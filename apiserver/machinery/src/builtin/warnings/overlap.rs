//! Files that volumes would put in the same place.

use crate::builtin::at::At;
use crate::field_error::go_quote;

#[derive(Clone, Debug, PartialEq)]
struct Place {
    path: String,
    source: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&go_quote(&self.path))?;
        if self.source.is_empty() { Ok(()) } else { write!(f, " ({})", self.source) }
    }
}

fn places(items: &At, source: &str) -> Vec<Place> {
    items.items().map(|item| Place { path: item.get("path").str().to_owned(), source: source.to_owned() }).collect()
}

/// Adds places one by one and describes each collision with an earlier one.
fn collide(all: &mut Vec<Place>, added: Vec<Place>) -> Vec<String> {
    let mut found = Vec::new();
    for mut place in added {
        place.path.truncate(place.path.trim_end_matches('/').len());
        if !place.path.is_empty() {
            let inside = |a: &str, b: &str| format!("{a}/").starts_with(&format!("{b}/"));
            for other in all.iter().filter(|other| !other.path.is_empty()) {
                if inside(&other.path, &place.path) || inside(&place.path, &other.path) {
                    found.push(format!("{place} with {other}"));
                }
            }
        }
        all.push(place);
    }
    found
}

/// Warns about files of one volume that lie in the same place.
pub(super) fn warn(volumes: &At, out: &mut Vec<String>) {
    for volume in volumes.items() {
        let name = go_quote(volume.get("name").str());
        for (field, label, naming) in
            [("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"), ("downwardAPI", "DownwardAPI", "")]
        {
            let source = volume.get(field);
            let described = if naming.is_empty() {
                label.to_owned()
            } else {
                format!("{label} {}", go_quote(source.get(naming).str()))
            };
            for found in collide(&mut Vec::new(), places(&source.get("items"), "")) {
                out.push(format!("volume {name} ({described}): overlapping paths: {found}"));
            }
        }
        warn_about_projection(&volume.get("projected"), &name, out);
    }
}

fn warn_about_projection(projected: &At, name: &str, out: &mut Vec<String>) {
    let mut all = Vec::new();
    for source in projected.get("sources").items() {
        if source.is_empty() {
            out.push(format!("volume {name} (Projected) has no sources provided"));
            continue;
        }
        for found in collide(&mut all, projected_places(&source)) {
            out.push(format!("volume {name} (Projected): overlapping paths: {found}"));
        }
    }
}

fn projected_places(source: &At) -> Vec<Place> {
    for (field, label) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        let kind = source.get(field);
        let items = kind.get("items");
        if items.has() {
            return places(&items, &format!("{label} {}", go_quote(kind.get("name").str())));
        }
    }
    let downward = source.get("downwardAPI");
    if downward.get("items").has() {
        return places(&downward.get("items"), "DownwardAPI");
    }
    let token = source.get("serviceAccountToken");
    if token.has() {
        return vec![Place { path: token.get("path").str().to_owned(), source: "ServiceAccountToken".to_owned() }];
    }
    let bundle = source.get("clusterTrustBundle");
    if bundle.has() {
        let name = bundle.get("name").text().unwrap_or_else(|| bundle.get("signerName").str());
        let source = format!("ClusterTrustBundle {}", go_quote(name));
        return vec![Place { path: bundle.get("path").str().to_owned(), source }];
    }
    let certificate = source.get("podCertificate");
    [
        ("certificateChainPath", "PodCertificate chain"),
        ("keyPath", "PodCertificate key"),
        ("credentialBundlePath", "PodCertificate credential bundle"),
    ]
    .iter()
    .map(|(field, source)| Place { path: certificate.get(field).str().to_owned(), source: (*source).to_owned() })
    .filter(|place| !place.path.is_empty())
    .collect()
}
