//! Defaults of built-in kinds (owned by the branch "defaults").
