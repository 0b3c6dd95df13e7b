//! The Kubernetes protocol over tenants and storage.
//!
//! Read in this order: [`stack`] is the path of every request, [`route`] its last stop, [`verbs`] what is done there.
//! [`resource::Served`] is what the verbs work on, [`codec`] and [`encode`] turn stored bytes into what clients get.
//! `server` brings requests in over TLS, [`in_process`] without a socket.

pub mod stack;
pub mod route;
pub mod call;
pub mod resource;
pub mod catalog;
pub mod verbs;
pub mod subresources;
pub mod reviews;
pub mod documents;
pub mod openapi;
pub mod admission;
pub mod codec;
pub mod encode;
pub mod due;
pub mod respond;
pub mod limits;
pub mod probes;
pub mod metrics;
pub mod shared;
pub mod http;

pub mod authn;
pub mod authz;
pub mod bootstrap;
pub mod in_process;
pub mod server;
