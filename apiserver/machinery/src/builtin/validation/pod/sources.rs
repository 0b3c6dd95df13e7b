//! Volume sources that pods and persistent volumes have in common.

use crate::builtin::at::At;
use crate::builtin::formats::{dns_label, dns_subdomain, range_error};
use crate::field_error::FieldErrors;

pub(crate) const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
pub(crate) const ONE_TYPE: &str = "may not specify more than 1 volume type";

/// A file mode; absent is fine.
pub(crate) fn file_mode(at: &At, errors: &mut FieldErrors) {
    if at.number().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        at.invalid(errors, at.int(), FILE_MODE);
    }
}

/// `must not contain '..'`; returns whether the path is good.
pub(crate) fn no_backsteps(at: &At, path: &str, errors: &mut FieldErrors) -> bool {
    let bad = path.split('/').any(|part| part == "..");
    if bad {
        at.invalid(errors, path, "must not contain '..'");
    }
    !bad
}

/// A relative path that stays below where it starts.
pub(crate) fn descending_path(at: &At, path: &str, errors: &mut FieldErrors) {
    if path.starts_with('/') {
        at.invalid(errors, path, "must be a relative path");
    }
    no_backsteps(at, path, errors);
}

/// As [`descending_path`], and not of a name that the kubelet uses itself.
pub(crate) fn local_path(at: &At, path: &str, errors: &mut FieldErrors) {
    descending_path(at, path, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        at.invalid(errors, path, "must not start with '..'");
    }
}

fn require_all(at: &At, names: &[&str], errors: &mut FieldErrors) {
    for name in names {
        at.get(name).require(errors);
    }
}

/// `secretRef.name`, and `secretRef.namespace` where secrets are cluster-wide.
fn secret_ref(at: &At, names: &[&str], errors: &mut FieldErrors) {
    let secret = at.get("secretRef");
    if secret.has() {
        require_all(&secret, names, errors);
    }
}

pub(crate) fn host_path(at: &At, errors: &mut FieldErrors) {
    let path = at.get("path");
    if path.require(errors) {
        return;
    }
    no_backsteps(&path, path.str(), errors);
    let kind = at.get("type");
    if kind.has() {
        kind.one_of(
            errors,
            &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"],
        );
    }
}

/// A disk of a cloud provider.
pub(crate) fn disk(at: &At, name: &str, errors: &mut FieldErrors) {
    at.get(name).require(errors);
    let partition = at.get("partition");
    if !(0..=255).contains(&partition.int()) {
        partition.invalid(errors, partition.int(), range_error(1, 255));
    }
}

pub(crate) fn nfs(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["server", "path"], errors);
    let path = at.get("path");
    if !path.str().starts_with('/') {
        path.invalid(errors, path.str(), "must be an absolute path");
    }
}

fn bad_iscsi_name(name: &str) -> Option<&'static str> {
    let alnum = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_alphanumeric());
    // The expressions take any character where a dot is written.
    let tail = |prefix: usize| name.char_indices().nth(prefix).map_or("", |(at, c)| &name[at + c.len_utf8()..]);
    let good = match name.get(..3) {
        Some("iqn") => is_iqn(name),
        Some("eui") => alnum(tail(3), 16),
        Some("naa") => alnum(tail(3), 32),
        _ => return Some("must be valid format starting with iqn, eui, or naa"),
    };
    if good { None } else { Some("must be valid format") }
}

/// `iqn.YYYY-MM.` then letters, digits, dashes and dots, then a colon and a name.
fn is_iqn(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("iqn.") else { return false };
    let date = rest.get(..8).is_some_and(|date| {
        date.bytes().enumerate().all(|(index, byte)| match index {
            4 => byte == b'-',
            7 => byte == b'.',
            _ => byte.is_ascii_digit(),
        })
    });
    let Some((authority, target)) = rest.get(8..).and_then(|rest| rest.split_once(':')) else { return false };
    date && !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !target.is_empty()
        && !target.contains(|c: char| ",;*&$|".contains(c) || c.is_whitespace())
}

/// iSCSI; persistent volumes say less about a bad name.
pub(crate) fn iscsi(at: &At, volume: Option<&str>, errors: &mut FieldErrors) {
    const LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                        iscsi.initiatorName is specified.";
    let portal = at.get("targetPortal");
    portal.require(errors);
    let initiator = at.get("initiatorName");
    if let Some(volume) = volume
        && initiator.has()
        && volume.len() + 1 + portal.len() > 64
    {
        at.get("targetportal").invalid(errors, portal.str(), LONG);
    }
    let word = |complaint: &'static str| if volume.is_some() { "must be valid format" } else { complaint };
    let iqn = at.get("iqn");
    if !iqn.require(errors)
        && let Some(complaint) = bad_iscsi_name(iqn.str())
    {
        iqn.invalid(errors, iqn.str(), word(complaint));
    }
    let lun = at.get("lun");
    if !(0..=255).contains(&lun.int()) {
        lun.invalid(errors, lun.int(), range_error(0, 255));
    }
    if (at.get("chapAuthDiscovery").flag() || at.get("chapAuthSession").flag()) && !at.get("secretRef").has() {
        at.get("secretRef").required(errors, "");
    }
    if volume.is_some() {
        secret_ref(at, &["name"], errors);
    }
    if let Some(name) = initiator.text()
        && let Some(complaint) = bad_iscsi_name(name)
    {
        at.get("initiatorname").invalid(errors, name, word(complaint));
    }
}

pub(crate) fn fibre_channel(at: &At, errors: &mut FieldErrors) {
    let (names, ids) = (at.get("targetWWNs"), at.get("wwids"));
    if names.is_empty() && ids.is_empty() {
        names.required(errors, "must specify either targetWWNs or wwids, but not both");
    }
    if !names.is_empty() && !ids.is_empty() {
        names.invalid_here(errors, "targetWWNs and wwids can not be specified simultaneously");
    }
    if names.is_empty() {
        return;
    }
    let lun = at.get("lun");
    match lun.number() {
        None => lun.required(errors, "lun is required if targetWWNs is specified"),
        Some(number) if !(0..=255).contains(&number) => lun.invalid(errors, number, range_error(0, 255)),
        Some(_) => {}
    }
}

pub(crate) fn quobyte(at: &At, errors: &mut FieldErrors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = at.get("registry");
    if registry.is_empty() {
        registry.required(errors, PAIRS);
    } else if at.get("tenant").len() >= 65 {
        at.get("tenant").required(errors, "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in registry.str().split(',') {
            let good = pair
                .rsplit_once(':')
                .is_some_and(|(host, _)| !host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
            if !good {
                registry.invalid(errors, registry.str(), PAIRS);
            }
        }
    }
    at.get("volume").require(errors);
}

pub(crate) fn glusterfs(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["endpoints", "path"], errors);
    let namespace = at.get("endpointsNamespace");
    if namespace.text() == Some("") {
        namespace.invalid(errors, "", "if the endpointnamespace is set, it must be a valid namespace name");
    } else if namespace.has() {
        namespace.check(errors, dns_label);
    }
}

pub(crate) fn flocker(at: &At, errors: &mut FieldErrors) {
    let (name, id) = (at.get("datasetName"), at.get("datasetUUID"));
    if name.is_empty() && id.is_empty() {
        at.required(errors, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !id.is_empty() {
        at.invalid(errors, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.str().contains('/') {
        name.invalid(errors, name.str(), "must not contain '/'");
    }
}

pub(crate) fn rbd(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["monitors", "image"], errors);
}

pub(crate) fn cinder(at: &At, errors: &mut FieldErrors) {
    at.get("volumeID").require(errors);
    secret_ref(at, &["name"], errors);
}

pub(crate) fn persistent_cinder(at: &At, errors: &mut FieldErrors) {
    at.get("volumeID").require(errors);
    secret_ref(at, &["name", "namespace"], errors);
}

pub(crate) fn cephfs(at: &At, errors: &mut FieldErrors) {
    at.get("monitors").require(errors);
}

pub(crate) fn flex(at: &At, errors: &mut FieldErrors) {
    at.get("driver").require(errors);
    for (key, option) in at.get("options").entries() {
        let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
        let normalized = format!(".{}", namespace.to_lowercase());
        if normalized.ends_with(".kubernetes.io") || normalized.ends_with(".k8s.io") {
            option.invalid(errors, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub(crate) fn azure_file(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["secretName", "shareName"], errors);
    let namespace = at.get("secretNamespace");
    if namespace.has() {
        namespace.require(errors);
    }
}

pub(crate) fn azure_disk(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["diskName", "diskURI"], errors);
    let (caching, kind, uri) = (at.get("cachingMode"), at.get("kind"), at.get("diskURI"));
    if caching.has() {
        caching.one_of(errors, &["None", "ReadOnly", "ReadWrite"]);
    }
    if !kind.has() {
        return;
    }
    kind.one_of(errors, &["Dedicated", "Managed", "Shared"]);
    if kind.str() == "Managed" {
        if !uri.str().starts_with("/subscriptions/") {
            uri.unsupported(
                errors,
                &["/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"],
            );
        }
    } else if !uri.str().starts_with("https://") {
        uri.unsupported(errors, &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"]);
    }
}

pub(crate) fn scale_io(at: &At, errors: &mut FieldErrors) {
    require_all(at, &["gateway", "system", "volumeName"], errors);
}

pub(crate) fn storage_os(at: &At, errors: &mut FieldErrors) {
    storage_os_with(at, &["name"], errors);
}

pub(crate) fn persistent_storage_os(at: &At, errors: &mut FieldErrors) {
    storage_os_with(at, &["name", "namespace"], errors);
}

fn storage_os_with(at: &At, secret: &[&str], errors: &mut FieldErrors) {
    at.get("volumeName").require_check(errors, dns_label);
    at.get("volumeNamespace").check_set(errors, dns_label);
    secret_ref(at, secret, errors);
}

/// The name of a CSI driver.
pub(crate) fn csi_driver(at: &At, errors: &mut FieldErrors) {
    let name = at.str();
    if at.require(errors) {
        return;
    }
    if name.len() > 63 {
        at.too_long(errors, 63);
    }
    for message in dns_subdomain(&name.to_lowercase()) {
        at.invalid(errors, name, message);
    }
}
