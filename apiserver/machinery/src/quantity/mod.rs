//! Quantities, as in k8s.io/apimachinery/pkg/api/resource.
