//! Services: the addresses and node ports that a service gets, claimed in the commit that stores it.
//!
//! [`families`] settles the dual-stack fields, [`addresses`] claims cluster IPs through IPAddress objects, [`ports`] claims
//! node ports through records that no API shows.

mod addresses;
mod families;
mod ports;

use super::write::{Write, items, text};
use super::{Claims, Verb};
use crate::call::Call;
use crate::codec;
use crate::resource::Served;
use kplex_machinery::builtin::strategy::Subresource;
use kplex_machinery::builtin::strategy::service::{needs_health_check_port, normalize_cluster_ips, patch_allocated};
use kplex_machinery::status::Status;
use kplex_storage::{StorageError, WriteSet};
use ports::Ports;
use serde_json::{Value, json};

/// Completes a service and claims what it needs.
pub(super) async fn allocate(write: &Write<'_>, new: &mut Value, claims: &mut Claims) -> Result<(), Status> {
    if !write.is_of("", "services") || write.operation.part != Subresource::Main {
        return Ok(());
    }
    let old = write.old.filter(|_| write.operation.verb == Verb::Update);
    if let Some(old) = old {
        patch_allocated(new, old);
    }
    normalize_cluster_ips(new, old);
    if is_external_name(new)
        && let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut)
    {
        // Defaulted for every service; upstream hides it here when it is read.
        spec.remove("internalTrafficPolicy");
    }
    families::settle(new, old).map_err(|errors| write.served.invalid(codec::meta_str(new, "name"), &errors))?;
    let mut ports = Ports::new(write, new);
    match old {
        None => {
            if !is_external_name(new) && !is_headless(new) {
                assign_addresses(write, new, claims).await?;
            }
            if has_node_ports(new) {
                ports.assign_all(new).await?;
            }
            if needs_health_check_port(new) {
                ports.assign_health_check(new).await?;
            }
        }
        Some(old) => {
            change_addresses(write, new, old, claims).await?;
            change_ports(&mut ports, new, old).await?;
        }
    }
    ports.finish(claims).await
}

/// Gives back the addresses and ports of a service that goes.
pub(super) async fn release(call: &Call, served: &Served, old: &Value, set: &mut WriteSet) -> Result<(), StorageError> {
    if !served.group.is_empty() || served.plural != "services" {
        return Ok(());
    }
    if !is_external_name(old) && !is_headless(old) {
        for address in items(old, "/spec/clusterIPs").iter().filter_map(Value::as_str) {
            set.changes.extend(addresses::release(call, old, address).await?);
        }
    }
    for port in ports::of(old) {
        set.changes.extend(ports::release(call, port).await?);
    }
    Ok(())
}

fn is_external_name(service: &Value) -> bool {
    text(service, "/spec/type") == "ExternalName"
}

fn is_headless(service: &Value) -> bool {
    text(service, "/spec/clusterIPs/0") == "None" || text(service, "/spec/clusterIP") == "None"
}

fn has_node_ports(service: &Value) -> bool {
    matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer")
}

/// Claims an address for each family, the asked-for one where there is one.
async fn assign_addresses(write: &Write<'_>, new: &mut Value, claims: &mut Claims) -> Result<(), Status> {
    let mut wanted: Vec<String> =
        items(new, "/spec/clusterIPs").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    wanted.resize(wanted.len().max(items(new, "/spec/ipFamilies").len()), String::new());
    let mut given = Vec::with_capacity(wanted.len());
    for address in &wanted {
        given.push(addresses::claim(write, new, address, claims).await?);
    }
    if let Some(first) = given.first() {
        new["spec"]["clusterIP"] = Value::from(first.as_str());
    }
    new["spec"]["clusterIPs"] = json!(given);
    Ok(())
}

/// A service gets addresses when it stops being an external name, and gives them back when it becomes one.
async fn change_addresses(write: &Write<'_>, new: &mut Value, old: &Value, claims: &mut Claims) -> Result<(), Status> {
    if families::keeps_dual_stack(new, old) {
        return Ok(());
    }
    match (is_external_name(old), is_external_name(new)) {
        (true, false) if !is_headless(new) => assign_addresses(write, new, claims).await,
        (false, true) if !is_headless(old) => {
            for address in items(old, "/spec/clusterIPs").iter().filter_map(Value::as_str) {
                let released = addresses::release(write.call, old, address).await.map_err(crate::respond::storage)?;
                if !write.operation.dry_run {
                    claims.changes.extend(released);
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn change_ports(ports: &mut Ports<'_>, new: &mut Value, old: &Value) -> Result<(), Status> {
    if has_node_ports(new) {
        ports.assign_changed(new, old).await?;
    } else if has_node_ports(old) {
        ports.give_back(ports::node_ports(old));
    }
    match (needs_health_check_port(old), needs_health_check_port(new)) {
        (false, true) => ports.assign_health_check(new).await?,
        (true, false) => ports.give_back(ports::health_check_port(old).into_iter().collect()),
        _ => {}
    }
    Ok(())
}
