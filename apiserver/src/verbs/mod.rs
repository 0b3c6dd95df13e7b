//! The generic verbs: one file each, the same for built-in kinds and custom resources.
//!
//! Reads: [`get`], [`list`], [`watch`]. Writes go through [`write`], which holds the one loop that computes a change
//! against the pending state of a key and commits it: [`create`], [`update`], [`patch`] and [`delete`] only differ in how
//! the new object comes about.

pub mod filter;
pub mod get;
pub mod list;
pub mod watch;
mod watching;

pub mod input;
pub mod write;
pub mod create;
pub mod update;
pub mod patch;
pub mod delete;
pub mod delete_collection;

/// What a verb answers.
pub mod reply;
