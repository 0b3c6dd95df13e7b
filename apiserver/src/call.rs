//! One request on its way: who asks, of which control plane, for what.

use crate::authn::User;
use crate::http::info::{RequestInfo, ResourcePath};
use crate::http::negotiate::{Accepted, Wish};
use crate::shared::Shared;
use http::HeaderMap;
use jiff::Timestamp;
use kplex_machinery::status::{GroupResource, Status};
use kplex_tenants::TenantScope;
use parking_lot::Mutex;
use std::sync::Arc;

/// A routed, authenticated and authorized request. Verbs get it first, then their subject, then their options.
pub struct Call {
    /// The control plane; the only way to its data.
    pub scope: TenantScope,
    /// What the process shares.
    pub shared: Arc<Shared>,
    /// Who asks, after impersonation.
    pub user: User,
    /// Verb, path and resource.
    pub info: RequestInfo,
    /// The raw query string.
    pub query: String,
    /// Request headers.
    pub headers: HeaderMap,
    /// How the client wants its answer.
    pub wish: Wish,
    /// How the answer is encoded.
    pub accepted: Accepted,
    /// The time of the request; everything that it writes carries this time.
    pub now: Timestamp,
    /// Texts for `Warning` headers.
    // Lock order: taken alone, never across an await.
    warnings: Mutex<Vec<String>>,
}

impl Call {
    /// Puts a request together.
    #[must_use]
    pub fn new(
        scope: TenantScope,
        shared: Arc<Shared>,
        user: User,
        info: RequestInfo,
        query: String,
        headers: HeaderMap,
    ) -> Self {
        Self {
            scope,
            shared,
            user,
            info,
            wish: Wish::new(&headers, &query),
            query,
            headers,
            accepted: Accepted::default(),
            now: Timestamp::now(),
            warnings: Mutex::new(Vec::new()),
        }
    }

    /// Returns the resource part of the path.
    ///
    /// # Errors
    /// 404 when the path names no resource.
    pub fn path(&self) -> Result<&ResourcePath, Status> {
        self.info.resource.as_ref().ok_or_else(Status::no_such_path)
    }

    /// Returns group and resource for messages.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        self.info.resource.as_ref().map(ResourcePath::group_resource).unwrap_or_default()
    }

    /// Returns a call for one object of the collection that this call is about.
    #[must_use]
    pub fn for_object(&self, namespace: Option<String>, name: &str) -> Self {
        let mut info = self.info.clone();
        if let Some(path) = &mut info.resource {
            path.namespace = namespace;
            path.name = Some(name.to_owned());
        }
        let mut call = Self::new(
            self.scope.clone(),
            self.shared.clone(),
            self.user.clone(),
            info,
            String::new(),
            self.headers.clone(),
        );
        call.now = self.now;
        call
    }

    /// Adds a warning, once.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Takes the warnings.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock())
    }

    /// Returns the time of the request as `metav1.Time` is written.
    #[must_use]
    pub fn timestamp(&self) -> String {
        self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns the field manager: the parameter, or the user agent up to its first slash, as upstream.
    #[must_use]
    pub fn field_manager(&self, given: &str) -> String {
        if !given.is_empty() {
            return given.to_owned();
        }
        let agent = self.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
        let name = agent.split('/').next().unwrap_or("");
        if name.is_empty() { "unknown".to_owned() } else { name.chars().take(128).collect() }
    }
}
