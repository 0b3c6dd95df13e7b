//! A small JSON client over the server's own stack, for controllers that act in many tenants.
//!
//! `kube::Client` keeps a task of its own for each client; that is one too many for each of ten thousand tenants (D1).

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kplex_apiserver::authn::User;
use kplex_apiserver::in_process::InProcessService;
use kplex_tenants::TenantScope;
use serde_json::Value;
use thiserror::Error;
use tower::Service;

/// Upstream's controllers are one program; its name is the manager of the fields they write.
const MANAGER: &str = "kube-controller-manager";

/// A request that did not succeed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server answered with a failure.
    #[error("{code} {reason}: {message}")]
    Status {
        /// HTTP status code.
        code: u16,
        /// `Status.reason`.
        reason: String,
        /// `Status.message`.
        message: String,
        /// Reasons of `Status.details.causes`.
        causes: Vec<String>,
    },
    /// The answer could not be read.
    #[error("read the answer")]
    Body(#[source] axum::Error),
    /// The answer is not JSON.
    #[error("decode the answer")]
    Decode(#[source] serde_json::Error),
}

impl ClientError {
    /// The HTTP status code, 0 when there was none.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Status { code, .. } => *code,
            Self::Body(_) | Self::Decode(_) => 0,
        }
    }

    /// Whether `Status.details.causes` names a reason.
    #[must_use]
    pub fn has_cause(&self, wanted: &str) -> bool {
        match self {
            Self::Status { causes, .. } => causes.iter().any(|cause| cause == wanted),
            Self::Body(_) | Self::Decode(_) => false,
        }
    }
}

/// Acts as one controller in one control plane.
#[derive(Clone)]
pub struct Client {
    service: InProcessService,
    name: &'static str,
}

impl Client {
    /// Makes a client that acts as the service account of a controller in kube-system, and writes as upstream's do: in the
    /// name of the program that they are part of.
    #[must_use]
    pub fn new(router: Router, scope: TenantScope, controller: &'static str) -> Self {
        let user = User::service_account("kube-system", controller, "").authenticated();
        Self { service: InProcessService::new(router, scope, user), name: MANAGER }
    }

    /// Makes a client that acts as the server itself, as upstream's apiserver does for what runs inside it.
    #[must_use]
    pub fn server(router: Router, scope: TenantScope) -> Self {
        let user = User::named("system:apiserver").with_groups(&["system:masters"]).authenticated();
        Self { service: InProcessService::new(router, scope, user), name: "kube-apiserver" }
    }

    /// Makes a client that acts as the controller manager, for controllers without an account of their own.
    #[must_use]
    pub fn manager(router: Router, scope: TenantScope) -> Self {
        let user = User::named("system:kube-controller-manager").authenticated();
        Self { service: InProcessService::new(router, scope, user), name: MANAGER }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let bytes = body.map(|value| value.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .header("accept", "application/json")
            .header("user-agent", self.name)
            .body(Body::from(bytes))
            .expect("paths are made of escaped names");
        let Ok(response) = self.service.clone().call(request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(ClientError::Body)?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(ClientError::Decode);
        }
        Err(failure(status, &bytes))
    }

    /// GET; `None` when it is not there.
    ///
    /// # Errors
    /// Every other failure.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ClientError> {
        absent(self.send(Method::GET, path, "application/json", None).await)
    }

    /// POST.
    ///
    /// # Errors
    /// Every failure.
    pub async fn create(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, "application/json", Some(body)).await
    }

    /// PUT.
    ///
    /// # Errors
    /// Every failure.
    pub async fn update(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PUT, path, "application/json", Some(body)).await
    }

    /// Merge patch; `None` when the object is not there.
    ///
    /// # Errors
    /// Every other failure.
    pub async fn merge(&self, path: &str, body: &Value) -> Result<Option<Value>, ClientError> {
        absent(self.send(Method::PATCH, path, "application/merge-patch+json", Some(body)).await)
    }

    /// Server-side apply that takes what it names.
    ///
    /// # Errors
    /// Every failure.
    pub async fn apply(&self, path: &str, manager: &str, body: &Value) -> Result<Value, ClientError> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", Some(body)).await
    }

    /// DELETE with options; `None` when the object is not there.
    ///
    /// # Errors
    /// Every other failure.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Option<Value>, ClientError> {
        absent(self.send(Method::DELETE, path, "application/json", Some(options)).await)
    }
}

fn absent(outcome: Result<Value, ClientError>) -> Result<Option<Value>, ClientError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == StatusCode::NOT_FOUND.as_u16() => Ok(None),
        Err(error) => Err(error),
    }
}

fn failure(status: StatusCode, bytes: &[u8]) -> ClientError {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let causes = body.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
    let causes = causes.filter_map(|cause| cause["reason"].as_str().map(str::to_owned)).collect();
    ClientError::Status { code: status.as_u16(), reason: text("reason"), message: text("message"), causes }
}
