//! The Kubernetes protocol over tenants and storage.
