//! Request bodies: read whole, with a limit.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kplex_machinery::status::Status;

/// Reads a body.
///
/// # Errors
/// 413 above the limit, 400 when the client breaks off.
pub async fn read(body: Body, limit_bytes: usize) -> Result<Bytes, Status> {
    match Limited::new(body, limit_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Status::too_large(format!("Request entity too large: limit is {limit_bytes}")))
        }
        Err(error) => Err(Status::bad_request(format!("unable to read the request body: {error}"))),
    }
}
