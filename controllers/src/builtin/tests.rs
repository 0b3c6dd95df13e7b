//! The controllers in a whole server without sockets: what a client sees of them.

mod base;
mod collector;
mod crash;
mod definitions;
mod harness;
mod namespaces;
mod others;
mod planes;
mod quotas;
