//! Cluster IPs: an address belongs to the service that its IPAddress object names.
//!
//! The ranges are those of the ServiceCIDR objects. Addresses that nobody asks for come from the upper part of a range, so
//! that the lower part stays for those that are asked for (KEP-3070).

use super::super::Claims;
use super::super::write::{Write, builtin, items, text};
use super::codec;
use crate::call::Call;
use crate::respond;
use crate::verbs::write::tracking;
use kplex_machinery::apply;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::Status;
use kplex_storage::{Change, Expect, Key, Op, StorageError};
use rand::RngExt;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const GROUP: &str = "networking.k8s.io";
const PLURAL: &str = "ipaddresses";
/// Who manages the fields of the objects made here.
const MANAGER: &str = "kube-apiserver";

/// The addresses of one CIDR, without the first and the last, which name the network and everybody in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    network: u32,
    first: u32,
    /// Where the part for addresses that nobody asks for begins.
    dynamic: u32,
    last: u32,
    text: String,
}

impl Range {
    fn parse(cidr: &str) -> Option<Self> {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 32)?);
        let hosts = u32::MAX.checked_shr(bits).unwrap_or(0);
        let network = u32::from(address) & !hosts;
        // Two addresses are not for hosts; a range too small for any has none.
        let (first, last) = (network.saturating_add(1), (network | hosts).saturating_sub(1));
        let dynamic = first.saturating_add(reserved(u64::from(hosts) + 1));
        Some(Self { network, first, dynamic, last, text: format!("{}/{bits}", Ipv4Addr::from(network)) })
    }

    fn contains(&self, address: u32) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

/// How many addresses of a range are kept for those who ask for them: a 16th, at least 16, at most 256.
fn reserved(size: u64) -> u32 {
    const MIN: u64 = 16;
    const MAX: u64 = 256;
    if size <= MIN {
        return 0;
    }
    u32::try_from((size / 16).clamp(MIN, MAX)).expect("at most 256")
}

/// The ranges that addresses may be taken from.
async fn ranges(write: &Write<'_>) -> Result<Vec<Range>, Status> {
    let ready = |object: &Value| {
        let conditions = items(object, "/status/conditions");
        let condition = conditions.iter().find(|condition| text(condition, "/type") == "Ready");
        codec::meta_str(object, "deletionTimestamp").is_empty()
            && condition.is_none_or(|condition| text(condition, "/status") == "True")
    };
    let objects = write.list(GROUP, "servicecidrs", None).await?;
    let cidrs = objects.iter().filter(|object| ready(object)).flat_map(|object| items(object, "/spec/cidrs"));
    Ok(cidrs.filter_map(Value::as_str).filter_map(Range::parse).collect())
}

/// Claims an address for a service, any where `wanted` is empty, and returns it.
pub(super) async fn claim(
    write: &Write<'_>,
    service: &Value,
    wanted: &str,
    claims: &mut Claims,
) -> Result<String, Status> {
    let ranges = ranges(write).await?;
    if !wanted.is_empty() {
        let refused = |why: String| {
            let asked = service.pointer("/spec/clusterIPs").cloned().unwrap_or(Value::Null);
            let error = FieldError::invalid("spec.clusterIPs", asked, format!("failed to allocate IP {wanted}: {why}"));
            write.served.invalid(codec::meta_str(service, "name"), &[error])
        };
        let address: Ipv4Addr = wanted.parse().map_err(|_| {
            Status::internal(format!("failed to parse service IP {}", kplex_machinery::field_error::go_quote(wanted)))
        })?;
        check_range(&ranges, address, write.operation.dry_run).map_err(&refused)?;
        if write.operation.dry_run {
            return Ok(wanted.to_owned());
        }
        if !is_free(write, address).await? {
            return Err(refused("provided IP is already allocated".to_owned()));
        }
        claims.changes.push(record(write, service, address)?);
        return Ok(wanted.to_owned());
    }
    if let Some(range) = ranges.first().filter(|_| write.operation.dry_run) {
        // A stand-in, as upstream: what the real request will get is not known before.
        return Ok(Ipv4Addr::from(range.network).to_string());
    }
    for range in &ranges {
        if let Some(address) = pick(write, range, claims).await? {
            claims.changes.push(record(write, service, address)?);
            return Ok(address.to_string());
        }
    }
    Err(Status::internal("failed to allocate a serviceIP: range is full"))
}

/// An asked-for address must lie in a range. Upstream's dry run looks at one range only, and words it differently.
fn check_range(ranges: &[Range], address: Ipv4Addr, dry_run: bool) -> Result<(), String> {
    if ranges.iter().any(|range| range.contains(u32::from(address))) {
        return Ok(());
    }
    match ranges.first() {
        Some(range) if dry_run => Err(format!(
            "the provided IP ({address}) is not in the valid range. The range of valid IPs is {}",
            range.text
        )),
        _ => Err("the provided network does not match the current range".to_owned()),
    }
}

async fn is_free(write: &Write<'_>, address: Ipv4Addr) -> Result<bool, Status> {
    let key = Key::new(GROUP, PLURAL, None, &address.to_string());
    Ok(write.call.scope.log().current(&key).await.map_err(respond::storage)?.is_none())
}

/// Finds a free address, from a random place on: first among those that nobody asks for, then among the others.
async fn pick(write: &Write<'_>, range: &Range, claims: &Claims) -> Result<Option<Ipv4Addr>, Status> {
    let parts = [(range.dynamic, range.last), (range.first, range.dynamic.saturating_sub(1).min(range.last))];
    for (first, last) in parts.into_iter().filter(|(first, last)| first <= last) {
        let start = rand::rng().random_range(first..=last);
        for number in (start..=last).chain(first..start) {
            let address = Ipv4Addr::from(number);
            let name = address.to_string();
            let claimed =
                claims.changes.iter().any(|change| change.key.resource() == PLURAL && change.key.name() == name);
            if !claimed && is_free(write, address).await? {
                return Ok(Some(address));
            }
        }
    }
    Ok(None)
}

/// The IPAddress object of a service.
fn record(write: &Write<'_>, service: &Value, address: Ipv4Addr) -> Result<Change, Status> {
    let served = builtin(GROUP, "v1", PLURAL);
    let (name, now) = (address.to_string(), write.call.timestamp());
    let mut object = json!({
        "apiVersion": served.api_version, "kind": served.kind,
        "metadata": {
            "name": name,
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": now,
            "labels": {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"},
        },
        "spec": {"parentRef": {
            "resource": "services",
            "namespace": codec::meta_str(service, "namespace"),
            "name": codec::meta_str(service, "name"),
        }},
    });
    served.default(&mut object, &now);
    let reset = served.reset_fields(Subresource::Main);
    apply::track_update(&tracking(served, Subresource::Main, MANAGER, &now, &reset), None, &mut object);
    served.prepare_create(&mut object, &now);
    let (value, stamp) = served.pack(&object).map_err(respond::storage)?;
    Ok(Change { key: served.key(None, &name), expect: Expect::Absent, op: Op::Put { stamp, value } })
}

/// Gives an address back; `None` when it isn't the service's. An object with finalizers stays until they are gone.
pub(super) async fn release(call: &Call, service: &Value, address: &str) -> Result<Option<Change>, StorageError> {
    let served = builtin(GROUP, "v1", PLURAL);
    if address.is_empty() || address.contains('/') {
        return Ok(None);
    }
    let key = served.key(None, address);
    let Some(entry) = call.scope.log().current(&key).await? else { return Ok(None) };
    let mut object = codec::parse(&entry).map_err(|status| StorageError::Corrupt(status.message))?;
    let is_own = ["namespace", "name"]
        .into_iter()
        .all(|field| text(&object, &format!("/spec/parentRef/{field}")) == codec::meta_str(service, field));
    if !is_own {
        return Ok(None);
    }
    let expect = Expect::At(entry.revision);
    if items(&object, "/metadata/finalizers").is_empty() {
        return Ok(Some(Change { key, expect, op: Op::Delete }));
    }
    if !codec::meta_str(&object, "deletionTimestamp").is_empty() {
        return Ok(None);
    }
    let metadata = codec::metadata_mut(&mut object);
    metadata.insert("deletionTimestamp".to_owned(), Value::from(call.timestamp()));
    metadata.insert("deletionGracePeriodSeconds".to_owned(), Value::from(0));
    let (value, stamp) = served.pack(&object)?;
    Ok(Some(Change { key, expect, op: Op::Put { stamp, value } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> u32 {
        u32::from(text.parse::<Ipv4Addr>().expect("an address"))
    }

    #[test]
    fn a_range_keeps_a_part_for_those_who_ask() {
        let range = Range::parse("10.96.0.0/12").expect("a range");
        assert_eq!(range.first, address("10.96.0.1"));
        assert_eq!(range.dynamic, address("10.96.1.1"));
        assert_eq!(range.last, address("10.111.255.254"));
        assert_eq!(Range::parse("10.0.0.77/24").expect("a range").dynamic, address("10.0.0.17"));
        assert_eq!(Range::parse("10.0.0.0/28").expect("a range").dynamic, address("10.0.0.1"));
        assert_eq!(Range::parse("fd00::/112"), None);
    }

    #[test]
    fn addresses_outside_are_refused_in_upstreams_words() {
        let ranges = [Range::parse("10.96.0.0/12").expect("a range")];
        let check = |text: &str, dry_run: bool| check_range(&ranges, text.parse().expect("an address"), dry_run);
        assert_eq!(check("10.96.0.10", false), Ok(()));
        assert_eq!(check("1.2.3.4", false), Err("the provided network does not match the current range".to_owned()));
        let out = "the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/12";
        assert_eq!(check("1.2.3.4", true), Err(out.to_owned()));
    }
}
