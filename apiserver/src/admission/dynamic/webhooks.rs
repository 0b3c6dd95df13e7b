//! Webhooks: which of them a request would call, and what a call that fails means.

use super::super::write::{items, text};
use super::GROUP;
use super::matching::Subject;
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::Status;

const WHY: &str = "webhooks are not called by this server yet";

/// The two kinds of webhooks.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Mutating,
    Validating,
}

/// Meets every webhook that wants to hear of the request.
pub(super) async fn call(subject: &Subject<'_>, kind: Kind) -> Result<(), Status> {
    let plural = match kind {
        Kind::Mutating => "mutatingwebhookconfigurations",
        Kind::Validating => "validatingwebhookconfigurations",
    };
    for configuration in subject.write.list(GROUP, plural, None).await? {
        for webhook in items(&configuration, "/webhooks") {
            if !subject.is_matched_by(webhook, "/rules").await? {
                continue;
            }
            let name = go_quote(text(webhook, "/name"));
            let safe = matches!(text(webhook, "/sideEffects"), "None" | "NoneOnDryRun");
            if subject.write.operation.dry_run && !safe {
                return Err(Status::bad_request(format!("admission webhook {name} does not support dry run")));
            }
            if text(webhook, "/failurePolicy") != "Ignore" {
                return Err(Status::internal(format!("failed calling webhook {name}: failed to call webhook: {WHY}")));
            }
        }
    }
    Ok(())
}
