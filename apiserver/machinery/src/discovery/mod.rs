//! Discovery documents, legacy and aggregated (KEP-3352).
