//! Server-side apply and managed fields (KEP-555).
