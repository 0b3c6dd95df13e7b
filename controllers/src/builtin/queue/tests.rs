use super::*;
use crate::builtin::progress::Progress;
use crate::builtin::work::Controller;
use kplex_storage::Position;
use std::sync::Arc;

fn work(tenant: u32, key: &str) -> Work {
    Work::new(TenantId::new(tenant), Controller::Namespace, key)
}

async fn next(queue: &Queue) -> Option<Work> {
    tokio::time::timeout(Duration::from_millis(1), queue.take()).await.ok().map(|taken| taken.work)
}

#[tokio::test(start_paused = true)]
async fn tenants_take_turns_and_one_never_takes_all_workers() {
    let queue = Queue::new(3);
    for key in ["a", "b", "c", "d", "e"] {
        queue.add(work(1, key), None);
    }
    queue.add(work(2, "x"), None);
    let mut order = Vec::new();
    while let Some(work) = next(&queue).await {
        order.push((work.tenant.get(), work.key.to_string()));
    }
    let expected = [(1, "a"), (2, "x"), (1, "b"), (1, "c")];
    assert_eq!(order, expected.map(|(tenant, key)| (tenant, key.to_owned())));
    queue.finish(&work(1, "a"), Finish::Done);
    assert_eq!(next(&queue).await, Some(work(1, "d")));
}

#[tokio::test(start_paused = true)]
async fn work_is_queued_once_and_runs_again_when_added_meanwhile() {
    let queue = Queue::new(3);
    queue.add(work(1, "a"), None);
    queue.add(work(1, "a"), None);
    assert_eq!(next(&queue).await, Some(work(1, "a")));
    assert_eq!(next(&queue).await, None);
    queue.add(work(1, "a"), None);
    assert_eq!(next(&queue).await, None, "it runs still");
    queue.finish(&work(1, "a"), Finish::Done);
    assert_eq!(next(&queue).await, Some(work(1, "a")));
    queue.finish(&work(1, "a"), Finish::Done);
    assert_eq!(next(&queue).await, None);
    assert_eq!(queue.len(), 0);
    assert!(queue.inner.lock().lines.is_empty(), "nothing is kept for an idle tenant");
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_ever_more_slowly() {
    let queue = Queue::new(3);
    queue.add(work(1, "a"), None);
    let mut waits = Vec::new();
    for _ in 0..20 {
        let since = Instant::now();
        let taken = queue.take().await;
        waits.push(since.elapsed().as_millis());
        queue.finish(&taken.work, Finish::Retry { durable: false });
    }
    assert_eq!(waits[..4], [0, 5, 10, 20]);
    assert_eq!(waits[19], 60_000);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_held_until_its_work_is_done_or_durable() {
    let (queue, progress) = (Queue::new(3), Arc::new(Progress::default()));
    let at = |sequence| Position { lane: 0, sequence };
    queue.add(work(1, "a"), Some(progress.open(at(1))));
    let taken = queue.take().await;
    queue.add(taken.work.clone(), Some(progress.open(at(2))));
    queue.finish(&taken.work, Finish::Retry { durable: false });
    assert_eq!(progress.take(), [], "it failed and is kept nowhere");
    let taken = queue.take().await;
    queue.finish(&taken.work, Finish::Retry { durable: true });
    assert_eq!(progress.take(), [at(2)]);
    queue.add(work(1, "a"), Some(progress.open(at(3))));
    let taken = queue.take().await;
    queue.finish(&taken.work, Finish::Done);
    assert_eq!(progress.take(), [at(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_tenant_leaves_nothing() {
    let queue = Queue::new(3);
    queue.add(work(1, "a"), None);
    queue.add(work(1, "b"), None);
    let taken = queue.take().await;
    queue.forget(TenantId::new(1));
    queue.finish(&taken.work, Finish::Done);
    assert_eq!(queue.len(), 0);
    assert!(queue.inner.lock().ring.is_empty());
    assert!(queue.inner.lock().lines.is_empty());
}
