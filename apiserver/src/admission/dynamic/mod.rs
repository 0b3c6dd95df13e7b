//! Dynamic admission: webhooks and policies that users of the control plane have configured.
//!
//! What is configured is never ignored. Which requests a webhook or a policy is about is decided here as upstream does it.
//! Calling webhooks and evaluating CEL come with issue B (fidelity); until then each call and each evaluation is an error,
//! and what an error means is the user's own choice, `failurePolicy`: by default the request is refused.

mod matching;
mod policies;
mod webhooks;

use super::write::Write;
use kplex_machinery::status::Status;
use matching::Subject;
use serde_json::Value;
use webhooks::Kind;

/// Group of the objects that configure admission. They are exempt from it, so that nobody can lock themselves out.
const GROUP: &str = "admissionregistration.k8s.io";

/// Runs the mutating webhooks.
///
/// # Errors
/// 500 when one that must not fail can't be called, 400 when it has side effects and the request is a dry run.
pub(super) async fn mutate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if write.served.group == GROUP {
        return Ok(());
    }
    webhooks::call(&Subject::of(write, new)?, Kind::Mutating).await
}

/// Runs the validating policies and webhooks.
///
/// # Errors
/// As [`mutate`], and what a policy answers, 422 by default.
pub(super) async fn validate(write: &Write<'_>, new: &Value) -> Result<(), Status> {
    if write.served.group == GROUP {
        return Ok(());
    }
    let subject = Subject::of(write, new)?;
    policies::validate(&subject).await?;
    webhooks::call(&subject, Kind::Validating).await
}
