//! Workers: take work, hand it to its controller, and keep what failed, over a crash too.

use super::process::{Failure, Process, Settled, Tenant};
use super::queue::{Finish, Taken};
use super::work::{Controller, Pool, Work};
use super::{
    account, aggregation, base_object, bootstrap, certificate, collect, definition, event_expiry, flow_schema,
};
use super::{namespace, plane, protection, quota, renewal, root_certificate, token_secret};
use kplex_apiserver::due;
use kplex_storage::{Due, WriteSet};
use std::sync::Arc;
use std::time::Duration;

/// Failures in a row after which a due row keeps the work, so that the feed can go on.
const DURABLE_AFTER: u32 = 3;
/// Longest time for one piece of work.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);

/// Works until the drain. What runs then is finished.
pub(crate) async fn run(process: Arc<Process>, pool: Pool) {
    let drain = process.controllers.shared.drain.clone();
    let queue = process.queue(pool);
    loop {
        let taken = tokio::select! {
            () = drain.cancelled() => return,
            taken = queue.take() => taken,
        };
        let finish = one(&process, &taken).await;
        queue.finish(&taken.work, finish);
    }
}

async fn one(process: &Arc<Process>, taken: &Taken) -> Finish {
    let tenant = match process.tenant(taken.work.tenant).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => {
            process.forget(taken.work.tenant);
            return Finish::Done;
        }
        Err(error) => return retry(None, taken, &error).await,
    };
    let outcome = match tokio::time::timeout(WORK_TIMEOUT, reconcile(&tenant, &taken.work)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Other("it took too long".to_owned())),
    };
    match outcome {
        Ok(Settled) => match forget_row(&tenant, taken).await {
            Ok(()) => Finish::Done,
            Err(error) => retry(Some(&tenant), taken, &error).await,
        },
        Err(error) if error.is_gone() => {
            process.forget(taken.work.tenant);
            Finish::Done
        }
        Err(error) => retry(Some(&tenant), taken, &error).await,
    }
}

async fn retry(tenant: Option<&Tenant>, taken: &Taken, error: &Failure) -> Finish {
    let Work { tenant: id, controller, key } = &taken.work;
    let failures = taken.failures + 1;
    if error.is_conflict() && failures < DURABLE_AFTER {
        tracing::debug!(tenant = id.get(), controller = controller.name(), %key, %error, "conflict; trying again");
    } else {
        tracing::warn!(tenant = id.get(), controller = controller.name(), %key, %error, failures, "controller failed; trying again");
    }
    let mut durable = taken.durable;
    if let (Some(tenant), false, true) = (tenant, durable, failures >= DURABLE_AFTER) {
        durable = keep_row(tenant, taken).await.is_ok();
    }
    Finish::Retry { durable }
}

fn row(work: &Work) -> Due {
    Due { minute: 0, kind: due::RETRY.to_owned(), key: work.row_key() }
}

async fn keep_row(tenant: &Tenant, taken: &Taken) -> Result<(), Failure> {
    if !taken.durable {
        tenant.scope.log().commit(WriteSet { due_add: vec![row(&taken.work)], ..WriteSet::default() }).await?;
    }
    Ok(())
}

async fn forget_row(tenant: &Tenant, taken: &Taken) -> Result<(), Failure> {
    if taken.durable {
        tenant.scope.log().commit(WriteSet { due_remove: vec![row(&taken.work)], ..WriteSet::default() }).await?;
    }
    Ok(())
}

async fn reconcile(tenant: &Tenant, work: &Work) -> Result<Settled, Failure> {
    let key = &work.key;
    match work.controller {
        Controller::Definition => definition::reconcile(tenant, key).await,
        Controller::Namespace => namespace::reconcile(tenant, key).await,
        Controller::DefaultAccount => account::reconcile(tenant, key).await,
        Controller::RootCertificate => root_certificate::reconcile(tenant, key).await,
        Controller::Collect => collect::reconcile(tenant, key).await,
        Controller::OwnerGone => collect::owner_gone(tenant, key).await,
        Controller::TokenSecret => token_secret::reconcile(tenant, key).await,
        Controller::AccountTokens => token_secret::account_gone(tenant, key).await,
        Controller::Certificate => certificate::reconcile(tenant, key).await,
        Controller::Aggregation => aggregation::reconcile(tenant).await,
        Controller::BootstrapSigner => bootstrap::sign(tenant).await,
        Controller::BootstrapToken => bootstrap::clean(tenant, key).await,
        Controller::Protection => protection::reconcile(tenant, key).await,
        Controller::BaseObject => base_object::reconcile(tenant, key).await,
        Controller::EventExpiry => event_expiry::reconcile(tenant, key).await,
        Controller::Renewal => renewal::reconcile(tenant, key).await,
        Controller::FlowSchema => flow_schema::reconcile(tenant).await,
        Controller::Quota => quota::reconcile(tenant, key).await,
        Controller::ControlPlane => plane::reconcile(tenant, key).await,
    }
}
