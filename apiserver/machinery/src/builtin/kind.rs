//! The name of a kind at a version, as every entry point here takes it.

/// Group, version and kind, borrowed from whoever knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gvk<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version such as `v1`.
    pub version: &'a str,
    /// Kind such as `Pod`.
    pub kind: &'a str,
}

impl<'a> Gvk<'a> {
    /// Names a kind at a version.
    #[must_use]
    pub const fn new(group: &'a str, version: &'a str, kind: &'a str) -> Self {
        Self { group, version, kind }
    }
}
