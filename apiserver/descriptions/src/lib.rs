//! Descriptions of the built-in Kubernetes types, for OpenAPI documents and `kubectl explain`.
//!
//! None of them is in this repository: the build script takes them from k8s-openapi. They are kept compressed and are
//! decompressed only for as long as a document is being written.

use flate2::read::ZlibDecoder;
use std::collections::HashMap;
use std::io::Read as _;
use std::ops::Range;

static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.zlib"));

/// All descriptions, about 1.5 MB. Drop it when the document is written.
#[derive(Debug)]
pub struct Descriptions {
    text: String,
    /// Where descriptions are in `text`, by where their keys (`definition NUL field`) are.
    index: HashMap<Box<str>, Range<usize>>,
}

impl Descriptions {
    /// Decompresses the descriptions.
    ///
    /// # Panics
    /// When the embedded data is broken, which the tests rule out.
    #[must_use]
    pub fn load() -> Self {
        let mut text = String::new();
        ZlibDecoder::new(COMPRESSED).read_to_string(&mut text).expect("the build script wrote UTF-8");
        let mut index = HashMap::new();
        let mut start = 0;
        while start < text.len() {
            let length = |from: usize| text[from..].find('\0').expect("each part ends with NUL");
            let definition = length(start);
            let field = length(start + definition + 1);
            let key = start..start + definition + 1 + field;
            let value = key.end + 1;
            let end = value + length(value);
            index.insert(text[key].into(), value..end);
            start = end + 1;
        }
        Self { text, index }
    }

    /// Returns the description of a definition, such as `io.k8s.api.core.v1.Pod`.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<&str> {
        self.field(name, "")
    }

    /// Returns the description of a field of a definition.
    #[must_use]
    pub fn field(&self, definition: &str, field: &str) -> Option<&str> {
        let range = self.index.get(format!("{definition}\0{field}").as_str())?;
        Some(&self.text[range.clone()])
    }

    /// Number of descriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

/// The compressed descriptions, for content hashes of what is made from them.
#[must_use]
pub fn compressed() -> &'static [u8] {
    COMPRESSED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_that_people_ask_for_are_described() {
        let descriptions = Descriptions::load();
        assert!(descriptions.len() > 3000, "{}", descriptions.len());
        assert!(descriptions.definition("io.k8s.api.apps.v1.Deployment").unwrap().contains("Deployment"));
        let fields = [
            ("io.k8s.api.core.v1.PodSpec", "containers"),
            ("io.k8s.api.core.v1.Pod", "metadata"),
            ("io.k8s.api.apps.v1.DeploymentSpec", "replicas"),
            ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "name"),
        ];
        for (definition, field) in fields {
            assert!(descriptions.field(definition, field).is_some_and(|text| text.len() > 10), "{definition} {field}");
        }
        assert_eq!(descriptions.field("io.k8s.api.core.v1.Pod", "nope"), None);
    }
}
