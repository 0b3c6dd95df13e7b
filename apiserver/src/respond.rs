//! From errors of the layers below to a Kubernetes `Status`. The only place that maps storage errors to codes.

use kplex_machinery::status::Status;
use kplex_storage::StorageError;

/// Maps a storage error that no verb has handled. The cause goes to the log, not to the client.
pub fn storage(error: StorageError) -> Status {
    match error {
        StorageError::Compacted { floor } => Status::expired(format!(
            "The resourceVersion for the provided request is too old: the oldest is {}.",
            floor.get()
        )),
        StorageError::Future { head } => {
            Status::timeout(format!("Too large resource version, current: {}", head.get()), 1)
        }
        StorageError::TooLarge => Status::too_large("etcdserver: request is too large"),
        StorageError::Full => Status::new(
            403,
            "Forbidden",
            "this control plane stores as many objects or bytes as it may; delete some, or ask for a higher limit",
        ),
        StorageError::Gone => Status::no_such_path(),
        StorageError::Conflict { .. } => {
            Status::new(409, "Conflict", "the object was changed by another request; please try again")
        }
        other => {
            tracing::warn!(error = &other as &dyn std::error::Error, "storage failed");
            Status {
                retry_after_seconds: 1,
                ..Status::unavailable("the storage of this control plane is not available; please try again")
            }
        }
    }
}
