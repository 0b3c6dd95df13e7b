//! Node ports: each is claimed by a record of its own, so that two services never get the same one.
//!
//! The records lie under a group that no API can have, next to the tenant's objects: storing them with the service is one
//! commit, and a conflict over a port is a conflict of that commit.

use super::super::Claims;
use super::super::write::{Write, items, text};
use super::codec;
use crate::call::Call;
use crate::respond;
use kplex_machinery::builtin::strategy::service::needs_health_check_port;
use kplex_machinery::field_error::FieldError;
use kplex_machinery::status::Status;
use kplex_storage::{Change, Expect, Key, ListQuery, Op, Prefix, StorageError};
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Not a DNS name, so that no CustomResourceDefinition has it.
const GROUP: &str = "_claims";
const RESOURCE: &str = "nodeports";
const FIRST: i64 = 30000;
const LAST: i64 = 32767;
/// From here on ports are given to those who ask for none in particular (KEP-3668): a 32nd is kept, at most 128.
const DYNAMIC: i64 = FIRST + 86;
/// What upstream's dry run starts from.
const STAND_IN: i64 = 32768;
const TAKEN: &str = "provided port is already allocated";

/// The ports that one write claims and gives back.
pub(super) struct Ports<'a> {
    write: &'a Write<'a>,
    owner: String,
    claimed: BTreeSet<i64>,
    released: BTreeSet<i64>,
}

impl<'a> Ports<'a> {
    pub(super) fn new(write: &'a Write<'a>, service: &Value) -> Self {
        let owner = format!("{}/{}", codec::meta_str(service, "namespace"), codec::meta_str(service, "name"));
        Self { write, owner, claimed: BTreeSet::new(), released: BTreeSet::new() }
    }

    /// Gives every port of a new service its node port.
    pub(super) async fn assign_all(&mut self, new: &mut Value) -> Result<(), Status> {
        let mut by_port: BTreeMap<i64, i64> = BTreeMap::new();
        for index in 0..items(new, "/spec/ports").len() {
            let asked = number(new, index, "nodePort");
            if asked == 0 && !wants_ports(new) {
                continue;
            }
            let port = number(new, index, "port");
            // Ports that differ in the protocol alone share a node port.
            match by_port.get(&port) {
                Some(given) if asked == 0 => set(new, index, *given),
                Some(given) if *given == asked => {}
                Some(_) => self.take(new, index, asked).await?,
                None => {
                    let wanted = items(new, "/spec/ports").iter().find_map(|other| {
                        let given = other.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
                        (other.get("port").and_then(Value::as_i64) == Some(port) && given != 0).then_some(given)
                    });
                    let given = match wanted {
                        Some(wanted) => {
                            self.take(new, index, wanted).await?;
                            wanted
                        }
                        None => self.take_any().await?,
                    };
                    set(new, index, given);
                    by_port.insert(port, given);
                }
            }
        }
        Ok(())
    }

    /// Claims the node ports that a changed service has more than before, and gives back those it has no more.
    pub(super) async fn assign_changed(&mut self, new: &mut Value, old: &Value) -> Result<(), Status> {
        let before = node_ports(old);
        let mut seen = BTreeSet::new();
        for index in 0..items(new, "/spec/ports").len() {
            let mut port = number(new, index, "nodePort");
            if port == 0 {
                if !wants_ports(new) {
                    continue;
                }
                port = self.take_any().await?;
                set(new, index, port);
            } else if !before.contains(&port) && !self.claimed.contains(&port) {
                self.take(new, index, port).await?;
            }
            let protocol = text(&items(new, "/spec/ports")[index], "/protocol").to_owned();
            let shown = format!("duplicate nodePort: {{{protocol} {port}}}");
            if !seen.insert((protocol, port)) {
                return Err(Status::internal(shown));
            }
        }
        let after = node_ports(new);
        self.give_back(before.difference(&after).copied().collect());
        Ok(())
    }

    /// Claims the port for health checks of a load balancer.
    pub(super) async fn assign_health_check(&mut self, new: &mut Value) -> Result<(), Status> {
        match health_check_port(new) {
            Some(port) => {
                let refused = |why: String| {
                    Status::internal(format!("failed to allocate requested HealthCheck NodePort {port}: {why}"))
                };
                self.claim(port).await?.map_err(refused)
            }
            None => {
                let port = self.take_any().await?;
                new["spec"]["healthCheckNodePort"] = Value::from(port);
                Ok(())
            }
        }
    }

    /// Frees ports in this write's commit.
    pub(super) fn give_back(&mut self, ports: BTreeSet<i64>) {
        self.released.extend(ports);
    }

    /// Puts what was claimed and freed into the commit.
    pub(super) async fn finish(mut self, claims: &mut Claims) -> Result<(), Status> {
        if self.write.operation.dry_run {
            return Ok(());
        }
        for port in std::mem::take(&mut self.claimed) {
            self.released.remove(&port);
            claims.changes.push(record(port, &self.owner));
        }
        for port in &self.released {
            claims.changes.extend(release(self.write.call, *port).await.map_err(respond::storage)?);
        }
        Ok(())
    }

    async fn take(&mut self, service: &Value, index: usize, port: i64) -> Result<(), Status> {
        self.claim(port).await?.map_err(|why| {
            let error = FieldError::invalid(format!("spec.ports[{index}].nodePort"), port, why);
            self.write.served.invalid(codec::meta_str(service, "name"), &[error])
        })
    }

    async fn claim(&mut self, port: i64) -> Result<Result<(), String>, Status> {
        // Upstream's dry run asks whether the port is taken, not whether it is a node port.
        if !(FIRST..=LAST).contains(&port) && !self.write.operation.dry_run {
            let why = format!("provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}");
            return Ok(Err(why));
        }
        if self.claimed.contains(&port) || !self.is_free(port).await? {
            return Ok(Err(TAKEN.to_owned()));
        }
        self.claimed.insert(port);
        Ok(Ok(()))
    }

    async fn is_free(&self, port: i64) -> Result<bool, Status> {
        Ok(self.write.call.scope.log().current(&key(port)).await.map_err(respond::storage)?.is_none())
    }

    async fn take_any(&mut self) -> Result<i64, Status> {
        if self.write.operation.dry_run {
            let port = self.claimed.last().copied().unwrap_or(STAND_IN) + 1;
            self.claimed.insert(port);
            return Ok(port);
        }
        let query = ListQuery { prefix: Prefix::resource(GROUP, RESOURCE), after: None, limit: usize::MAX, at: None };
        let page = self.write.call.scope.log().list(query).await.map_err(respond::storage)?;
        let taken: BTreeSet<i64> = page.entries.iter().filter_map(|entry| entry.key.name().parse().ok()).collect();
        for (first, last) in [(DYNAMIC, LAST), (FIRST, DYNAMIC - 1)] {
            let start = rand::rng().random_range(first..=last);
            for port in (start..=last).chain(first..start) {
                if !taken.contains(&port) && !self.claimed.contains(&port) && self.is_free(port).await? {
                    self.claimed.insert(port);
                    return Ok(port);
                }
            }
        }
        Err(Status::internal("failed to allocate a nodePort: range is full"))
    }
}

fn key(port: i64) -> Key {
    Key::new(GROUP, RESOURCE, None, &port.to_string())
}

fn record(port: i64, owner: &str) -> Change {
    let (value, stamp) = codec::pack(&json!({"metadata": {"name": port.to_string()}, "service": owner}), 0);
    Change { key: key(port), expect: Expect::Absent, op: Op::Put { stamp, value } }
}

/// Frees a port; `None` when nobody has it.
pub(super) async fn release(call: &Call, port: i64) -> Result<Option<Change>, StorageError> {
    let entry = call.scope.log().current(&key(port)).await?;
    Ok(entry.map(|entry| Change { key: entry.key, expect: Expect::At(entry.revision), op: Op::Delete }))
}

/// All ports of the nodes that a service has.
pub(super) fn of(service: &Value) -> BTreeSet<i64> {
    let mut ports = node_ports(service);
    ports.extend(health_check_port(service).filter(|_| needs_health_check_port(service)));
    ports
}

pub(super) fn node_ports(service: &Value) -> BTreeSet<i64> {
    let ports = items(service, "/spec/ports").iter().filter_map(|port| port.get("nodePort").and_then(Value::as_i64));
    ports.filter(|port| *port != 0).collect()
}

pub(super) fn health_check_port(service: &Value) -> Option<i64> {
    service.pointer("/spec/healthCheckNodePort").and_then(Value::as_i64).filter(|port| *port != 0)
}

fn wants_ports(service: &Value) -> bool {
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => {
            service.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool).unwrap_or(true)
        }
        _ => false,
    }
}

fn number(service: &Value, index: usize, field: &str) -> i64 {
    items(service, "/spec/ports")[index].get(field).and_then(Value::as_i64).unwrap_or(0)
}

fn set(service: &mut Value, index: usize, port: i64) {
    service["spec"]["ports"][index]["nodePort"] = Value::from(port);
}
