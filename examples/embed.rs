//! A Rust program that hosts control planes in its own process: no socket, no second process.
//!
//! Run with `cargo run --example embed`.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kplex::Server;
use kube::api::{Api, ListParams, PostParams};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder().hub(false).start().await?;
    for name in ["red", "blue"] {
        server.create_control_plane(name).await?;
        let configmaps: Api<ConfigMap> = Api::namespaced(server.client(name).await?, "default");
        let mut object = ConfigMap::default();
        object.metadata.name = Some("whose".to_owned());
        object.data = Some([("control-plane".to_owned(), name.to_owned())].into());
        configmaps.create(&PostParams::default(), &object).await?;
    }
    for name in ["red", "blue"] {
        let client = server.client(name).await?;
        let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await?.items.len();
        let object = Api::<ConfigMap>::namespaced(client, "default").get("whose").await?;
        println!("{name}: {namespaces} namespaces, whose = {:?}", object.data);
    }
    server.shutdown().await;
    Ok(())
}
