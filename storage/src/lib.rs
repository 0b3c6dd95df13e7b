//! Tenant-scoped revisioned key-value log.
