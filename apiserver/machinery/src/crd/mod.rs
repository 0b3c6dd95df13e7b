//! CustomResourceDefinitions: validation, compilation to a schema, and structural-schema operations on custom resources.
