//! DELETE of a collection: the objects that a list shows, one by one.

use super::delete::{self, DeleteOptions};
use super::filter::Filter;
use super::list;
use super::reply::{ListReply, Reply};
use crate::call::Call;
use crate::http::query::ListOptions;
use crate::resource::Served;
use kplex_machinery::status::Status;
use std::sync::Arc;

/// Deletes what a list with the same options shows, and returns that list.
///
/// # Errors
/// As [`list::list`] and [`delete::delete`]; objects that went away meanwhile are no error.
pub async fn delete_collection(call: &Call, served: &Arc<Served>, body: &[u8]) -> Result<Reply, Status> {
    let options = ListOptions::parse(&call.query, false)?;
    let deletion = DeleteOptions::parse(call, body)?;
    delete::warn(call, served, &deletion);
    let filter = Filter::new(served, &options, None)?;
    let page = list::page(call, served, &options, &filter).await?;
    let call_names: Vec<(Option<String>, String)> = page
        .entries
        .iter()
        .map(|entry| (entry.key.namespace().map(str::to_owned), entry.key.name().to_owned()))
        .collect();
    for (namespace, name) in call_names {
        let one = call.for_object(namespace, &name);
        match delete::delete_one(&one, served, &name, &deletion).await {
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
            Ok(_) => {}
        }
    }
    Ok(Reply::List(served.clone(), ListReply { continue_token: String::new(), remaining: None, ..page }))
}
