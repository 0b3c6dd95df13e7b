//! The registry over the memory engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

async fn store() -> Store {
    let base = Arc::new(kplex_storage::Base::new(Vec::new()));
    Store::open(kplex_storage::StoreOptions::new(kplex_storage::Engine::Memory, base)).await.unwrap()
}

async fn open(store: &Store) -> Tenants {
    let options = TenantsOptions { endpoints: Endpoints::new(Some("localtest.me")), ..TenantsOptions::default() };
    Tenants::open(store.clone(), options).await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_the_same_after_a_restart() {
    let store = store().await;
    let (id, uid, pem, server) = {
        let tenants = open(&store).await;
        let scope = tenants.create(NewControlPlane::named("cp1")).await.unwrap();
        (
            scope.id(),
            scope.uid(),
            scope.keys().authority().certificate_pem(),
            tenants.server_authority().certificate_pem(),
        )
    };
    let tenants = open(&store).await;
    assert_eq!(tenants.warm_count(), 0);
    assert_eq!(tenants.server_authority().certificate_pem(), server);
    let scope = tenants.resolve("cp1").await.unwrap().unwrap();
    assert_eq!((scope.id(), scope.uid()), (id, uid));
    assert_eq!(scope.keys().authority().certificate_pem(), pem);
    assert_eq!(scope.keys().issuer(), DEFAULT_ISSUER);
}

#[tokio::test]
async fn a_tenant_survives_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let open_file = async || {
        let base = Arc::new(kplex_storage::Base::new(Vec::new()));
        let engine = kplex_storage::Engine::Sqlite(directory.path().to_owned());
        Store::open(kplex_storage::StoreOptions::new(engine, base)).await.unwrap()
    };
    let first = open_file().await;
    let pem = {
        let scope = open(&first).await.create(NewControlPlane::named("cp1")).await.unwrap();
        scope.keys().authority().certificate_pem()
    };
    first.shutdown().await;
    drop(first);
    let second = open_file().await;
    let tenants = open(&second).await;
    assert_eq!(tenants.resolve("cp1").await.unwrap().unwrap().keys().authority().certificate_pem(), pem);
    second.shutdown().await;
}

#[tokio::test]
async fn names_are_refused_or_taken_once() {
    let tenants = open(&store().await).await;
    tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    assert!(matches!(tenants.create(NewControlPlane::named("cp1")).await, Err(TenantsError::AlreadyExists(_))));
    for name in ["hub", "kube", "~server", "A"] {
        assert!(matches!(tenants.create(NewControlPlane::named(name)).await, Err(TenantsError::InvalidName { .. })));
    }
    for name in ["cp2", "~server", "", "cp1/x"] {
        assert!(tenants.resolve(name).await.unwrap().is_none(), "{name}");
        assert!(!tenants.exists(name).await.unwrap(), "{name}");
    }
    assert_eq!(tenants.names(None, 10).await.unwrap(), [TenantName::parse("cp1").unwrap()]);
}

#[tokio::test]
async fn the_hub_is_made_once_and_never_deleted() {
    let tenants = open(&store().await).await;
    let first = tenants.open_hub(NewControlPlane::default()).await.unwrap();
    let second = tenants.open_hub(NewControlPlane::default()).await.unwrap();
    assert_eq!(first.id(), second.id());
    assert!(matches!(tenants.delete(HUB).await, Err(TenantsError::NotFound)));
}

#[tokio::test]
async fn unknown_names_leave_nothing_in_memory() {
    let tenants = open(&store().await).await;
    let lookups: Vec<_> = (0..50).map(|n| tenants.clone().resolve_owned(format!("none-{}", n % 5))).collect();
    for lookup in lookups {
        assert!(tokio::spawn(lookup).await.unwrap().is_none());
    }
    // Given up in the middle: all places for wakes are taken, so it has to wait.
    let places = tenants.0.wakes.acquire_many(limits::WAKES_MAX as u32).await.unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(10), tenants.resolve("never")).await;
    assert!(cut.is_err());
    drop(places);
    assert!(tenants.0.memory.read().slots.is_empty());
}

#[tokio::test]
async fn requests_that_arrive_together_wake_a_tenant_once() {
    let store = store().await;
    open(&store).await.create(NewControlPlane::named("cp1")).await.unwrap();
    let tenants = open(&store).await;
    let tasks: Vec<_> = (0..20).map(|_| tokio::spawn(tenants.clone().resolve_owned("cp1".to_owned()))).collect();
    let mut scopes = Vec::new();
    for task in tasks {
        scopes.push(task.await.unwrap().unwrap());
    }
    assert!(scopes.windows(2).all(|pair| Arc::ptr_eq(&pair[0].0, &pair[1].0)));
    assert_eq!(tenants.warm_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_tenants_go_cold_and_used_ones_stay() {
    let tenants = open(&store().await).await;
    let held = tenants.create(NewControlPlane::named("held")).await.unwrap();
    drop(tenants.create(NewControlPlane::named("idle")).await.unwrap());
    drop(tenants.create(NewControlPlane::named("used")).await.unwrap());
    tokio::time::advance(limits::IDLE_AFTER / 2).await;
    assert_eq!(tenants.sweep(), 0);
    drop(tenants.resolve("used").await.unwrap());
    tokio::time::advance(limits::IDLE_AFTER / 2 + Duration::from_secs(1)).await;
    assert_eq!(tenants.sweep(), 1);
    assert!(tenants.0.look("idle").is_none());
    assert_eq!(tenants.warm_count(), 2);
    drop(held);
    tokio::time::advance(limits::IDLE_AFTER * 2).await;
    assert_eq!(tenants.sweep(), 2);
    assert_eq!(tenants.warm_count(), 0);
    assert!(tenants.resolve("idle").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn too_many_idle_tenants_go_cold_oldest_first() {
    let options = TenantsOptions { warm_idle_max: 2, ..TenantsOptions::default() };
    let tenants = Tenants::open(store().await, options).await.unwrap();
    for name in ["b", "a", "c"] {
        tenants.create(NewControlPlane::named(name)).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(tenants.sweep(), 1);
    assert!(tenants.0.look("b").is_none());
}

#[tokio::test]
async fn state_lives_as_long_as_the_tenant_is_warm() {
    struct Probe(Arc<AtomicUsize>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let options = TenantsOptions { idle_after: Duration::ZERO, ..TenantsOptions::default() };
    let tenants = Tenants::open(store().await, options).await.unwrap();
    let scope = tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let first = scope.state(|| Probe(Arc::clone(&dropped)));
    let again = scope.state(|| -> Probe { panic!("made once") });
    assert!(Arc::ptr_eq(&first, &again));
    // A change of the record keeps the state.
    tenants.set_issuer("cp1", "https://issuer.example").await.unwrap();
    let renewed = tenants.resolve("cp1").await.unwrap().unwrap();
    assert_eq!(renewed.keys().issuers(), ["https://issuer.example", DEFAULT_ISSUER]);
    assert_eq!(scope.keys().issuer(), DEFAULT_ISSUER);
    assert!(Arc::ptr_eq(&first, &renewed.state(|| -> Probe { panic!("made once") })));
    drop((first, again, renewed));
    assert_eq!(tenants.sweep(), 0, "an older scope is still held");
    drop(scope);
    assert_eq!(tenants.sweep(), 1);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_from_rows_and_memory() {
    let tenants = open(&store().await).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    tenants.on_change(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let scope = tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    let state = Arc::downgrade(&scope.state(|| 7_u64));
    let waits = scope.clone();
    let waits = tokio::spawn(async move { waits.gone().await });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    tenants.delete("cp1").await.unwrap();
    waits.await.unwrap();
    scope.gone().await;
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    assert!(scope.is_deleted());
    assert!(state.upgrade().is_none(), "state goes although a scope is held");
    assert!(scope.log().get(&kplex_storage::Key::new("", "namespaces", None, "default")).await.is_err());
    assert!(tenants.resolve("cp1").await.unwrap().is_none());
    assert!(matches!(tenants.delete("cp1").await, Err(TenantsError::NotFound)));
    let again = tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    assert_ne!(again.id(), scope.id());
    assert_ne!(again.keys().authority().certificate_pem(), scope.keys().authority().certificate_pem());
}

#[tokio::test]
async fn a_wake_that_races_with_a_deletion_finds_nothing() {
    let store = store().await;
    open(&store).await.create(NewControlPlane::named("cp1")).await.unwrap();
    for _ in 0..20 {
        let tenants = open(&store).await;
        let wake = tokio::spawn(tenants.clone().resolve_owned("cp1".to_owned()));
        tokio::task::yield_now().await;
        tenants.delete("cp1").await.unwrap();
        if let Some(scope) = wake.await.unwrap() {
            assert!(scope.is_deleted());
        }
        assert!(tenants.0.memory.read().slots.is_empty());
        tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_belongs_to_one_tenant() {
    let tenants = open(&store().await).await;
    let hosts = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    let new = NewControlPlane { hosts: hosts(&["CP1.apps.example.com."]), ..NewControlPlane::named("cp1") };
    tenants.create(new).await.unwrap();
    let owner = async |host: &str| tenants.tenant_of_host(host).await.unwrap().map(|name| name.to_string());
    assert_eq!(owner("cp1.apps.example.com").await.as_deref(), Some("cp1"));
    assert_eq!(owner("cp9.localtest.me").await.as_deref(), Some("cp9"));
    assert_eq!(owner("www.example.com").await, None);
    let greedy =
        NewControlPlane { hosts: hosts(&["a.example.com", "cp1.apps.example.com"]), ..NewControlPlane::named("cp2") };
    assert!(matches!(tenants.create(greedy).await, Err(TenantsError::HostTaken(_))));
    assert_eq!(owner("a.example.com").await, None, "a failed creation claims nothing");
    tenants.set_hosts("cp1", hosts(&["b.example.com"])).await.unwrap();
    assert_eq!(owner("cp1.apps.example.com").await, None);
    assert_eq!(owner("b.example.com").await.as_deref(), Some("cp1"));
    for bad in
        ["", "localhost", "a_b.example.com", "10.0.0.1", "cp3.localtest.me", "localtest.me", "cp3.cp3-system.svc"]
    {
        let result = tenants.set_hosts("cp1", hosts(&[bad])).await;
        assert!(matches!(result, Err(TenantsError::InvalidSetting { .. })), "{bad}");
    }
    tenants.delete("cp1").await.unwrap();
    assert_eq!(owner("b.example.com").await, None);
}

#[tokio::test]
async fn issuers_are_https_urls() {
    let tenants = open(&store().await).await;
    for bad in [
        "",
        "http://a",
        "https://",
        "https://a b",
        "https://a?b",
        "https://u@a",
        "https://\"",
        &format!("https://{}", "a".repeat(600)),
    ] {
        let new = NewControlPlane { issuer: Some(bad.to_owned()), ..NewControlPlane::named("cp1") };
        assert!(matches!(tenants.create(new).await, Err(TenantsError::InvalidSetting { .. })), "{bad}");
    }
}

/// A handshake must not tell who exists: same names, same form, and for one name always the same authority.
#[tokio::test]
async fn a_decoy_looks_like_a_tenant() {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let store = store().await;
    let tenants = open(&store).await;
    tenants.create(NewControlPlane::named("cp1")).await.unwrap();
    tenants.0.memory.write().slots.clear();
    let describe = |leaf: &Leaf| {
        let der = leaf.certificate_der();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let kinds: Vec<_> = parsed.extensions().iter().map(|e| (e.oid.to_id_string(), e.critical)).collect();
        let names = parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len();
        let authority_key =
            parsed.extensions().iter().find(|e| e.oid.to_id_string() == "2.5.29.35").unwrap().value.to_vec();
        ((parsed.issuer().to_string(), parsed.subject().to_string(), kinds, names), authority_key)
    };
    let leaf =
        async |tenants: &Tenants, name: &str| tenants.serving_leaf(&TenantName::parse(name).unwrap()).await.unwrap();
    let (real, real_key) = describe(&leaf(&tenants, "cp1").await);
    let (decoy, decoy_key) = describe(&leaf(&tenants, "cp2").await);
    assert_eq!(real, decoy);
    assert_ne!(real_key, decoy_key);
    assert_ne!(describe(&leaf(&tenants, "cp3").await).1, decoy_key);
    assert_eq!(describe(&leaf(&open(&store).await, "cp2").await).1, decoy_key, "over a restart too");
    assert_eq!(describe(&leaf(&tenants, "cp1").await).1, real_key);
    assert_eq!(tenants.warm_count(), 0, "nobody wakes for a handshake");
}

#[test]
fn a_warm_tenant_is_small() {
    let now = Timestamp::now();
    let keys = TenantKeys::generate(DEFAULT_ISSUER, now).unwrap();
    let record = TenantRecord {
        uid: Uuid::nil(),
        created: now,
        keys,
        limits: TenantLimits::default(),
        hosts: Vec::new(),
        owner: None,
    };
    // The stored record is what lies on the heap, and the structs beside it.
    let bytes = record.encode().len() + size_of::<Warm>() + size_of::<Shared>() + size_of::<(TenantName, Slot)>();
    assert!(bytes < 3_000, "{bytes}");
}

impl Tenants {
    async fn resolve_owned(self, name: String) -> Option<TenantScope> {
        self.resolve(&name).await.unwrap()
    }
}
