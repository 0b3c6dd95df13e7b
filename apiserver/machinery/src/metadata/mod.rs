//! ObjectMeta: names, labels, annotations, owner references and their validation.

pub mod generate;
pub mod ip;
pub mod names;
pub mod object_meta;
pub mod shown;
