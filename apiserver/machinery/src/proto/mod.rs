//! Kubernetes protobuf: the table-driven transcoder and its envelopes.
