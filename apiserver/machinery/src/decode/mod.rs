//! Bytes to documents: JSON and YAML with limits, duplicate and unknown fields, and Go-like normalisation of typed objects.
