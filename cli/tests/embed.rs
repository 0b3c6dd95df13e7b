//! The server as a library: control planes in this process, with and without a socket.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kplex::Server;
use kplex_controllers::{ControlPlane, ControlPlaneSpec};
use kube::api::{Api, ListParams, PostParams};
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
