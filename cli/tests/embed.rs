//! The server as a library: control planes in this process, with and without a socket.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kplex::{Server, TenantLimits};
use kplex_controllers::{ControlPlane, ControlPlaneSpec};
use kube::CustomResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchParams};
use std::time::Duration;

fn configmap(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_a_socket_see_only_their_control_plane() {
    let server = Server::builder().hub(false).start().await.unwrap();
    for name in ["red", "blue"] {
        server.create_control_plane(name).await.unwrap();
    }
    let red = Api::<ConfigMap>::namespaced(server.client("red").await.unwrap(), "default");
    let blue = Api::<ConfigMap>::namespaced(server.client("blue").await.unwrap(), "default");
    red.create(&PostParams::default(), &configmap("mine")).await.unwrap();
    assert!(red.get_opt("mine").await.unwrap().is_some());
    assert!(blue.get_opt("mine").await.unwrap().is_none());
    server.delete_control_plane("red").await.unwrap();
    assert!(server.client("red").await.is_err(), "a deleted control plane has no client");
    assert!(server.address().is_none(), "nobody asked it to listen");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_makes_control_planes_that_its_kubeconfig_reaches_over_tls() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let planes: Api<ControlPlane> = Api::all(server.client("hub").await.unwrap());
    planes.create(&PostParams::default(), &ControlPlane::new("cp", ControlPlaneSpec::default())).await.unwrap();
    let ready = kube::runtime::wait::await_condition(planes, "cp", |plane: Option<&ControlPlane>| {
        plane.is_some_and(ControlPlane::is_ready)
    });
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("it gets ready").unwrap();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&server.kubeconfig("cp").await.unwrap()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap();
    assert!(namespaces.items.iter().any(|namespace| namespace.metadata.name.as_deref() == Some("default")));
    server.shutdown().await;
}

/// Returns code and message of a refusal.
fn refusal<T: std::fmt::Debug>(outcome: Result<T, kube::Error>) -> (u16, String) {
    match outcome {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_is_held_to_its_limits_and_others_are_not() {
    let server = Server::builder().hub(false).start().await.unwrap();
    for name in ["small", "large"] {
        server.create_control_plane(name).await.unwrap();
    }
    let small = server.client("small").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(small.clone(), "default");
    let post = PostParams::default();
    let limits = TenantLimits::default();

    server.set_limits("small", TenantLimits { objects_max: 1, ..limits }).await.unwrap();
    maps.create(&post, &configmap("one")).await.unwrap();
    let (code, message) = refusal(maps.create(&post, &configmap("two")).await);
    assert_eq!(code, 403);
    assert!(message.starts_with("this control plane stores as many objects or bytes as it may"), "{message}");
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    maps.create(&post, &configmap("two")).await.expect("there is room again");
    let large = Api::<ConfigMap>::namespaced(server.client("large").await.unwrap(), "default");
    for name in ["one", "two"] {
        large.create(&post, &configmap(name)).await.expect("limits are each control plane's own");
    }

    server.set_limits("small", TenantLimits { crds_max: 0, ..limits }).await.unwrap();
    let definitions = Api::<CustomResourceDefinition>::all(small);
    let (code, message) = refusal(definitions.create(&post, &ControlPlane::crd()).await);
    assert_eq!(code, 403);
    assert!(message.ends_with("is forbidden: this control plane may have 0 definitions"), "{message}");

    server.set_limits("small", TenantLimits { watches_max: 1, ..limits }).await.unwrap();
    let first = maps.watch(&WatchParams::default(), "0").await.unwrap();
    let second = maps.watch(&WatchParams::default(), "0").await;
    assert_eq!(refusal(second.map(|_| ())).0, 429);
    drop(first);
    // The server learns that a client has gone when it is next polled.
    let again = async {
        while maps.watch(&WatchParams::default(), "0").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("the place is free again");

    server.set_limits("small", TenantLimits { requests_in_flight_max: 0, ..limits }).await.unwrap();
    assert_eq!(refusal(maps.list(&ListParams::default()).await).0, 429);
    server.shutdown().await;
}
