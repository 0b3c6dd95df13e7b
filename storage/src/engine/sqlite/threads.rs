//! Threads that own connections: the runtime never blocks on a disk.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::StorageError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Jobs waiting for one group of threads. Callers beyond it wait in their own task.
const JOBS_MAX: usize = 128;

/// A few threads that take jobs from one queue, each with its own connection.
pub(super) struct Workers {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Workers {
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Workers {
        let (jobs, queue) = mpsc::channel::<Job>(JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections.into_iter().map(|mut connection| {
            let queue = queue.clone();
            spawn(name, move || {
                // The lock is held while waiting; the other threads wait for the lock instead of the queue.
                loop {
                    let next = queue.lock().blocking_recv();
                    let Some(job) = next else { return };
                    job(&mut connection);
                }
            })
        });
        Workers { jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads.collect()) }
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let closed = || StorageError::Unavailable("the store is closed".to_owned());
        let jobs = self.jobs.lock().clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody may be waiting any more.
            let _ = reply.send(job(connection));
        });
        jobs.send(job).await.map_err(|_| closed())?;
        drop(jobs);
        answer.await.map_err(|_| closed())?
    }

    /// Lets the queued jobs end and joins the threads.
    pub(super) async fn stop(&self) {
        drop(self.jobs.lock().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        join(threads).await;
    }
}

/// A thread that moves the write-ahead log into the file.
pub(super) struct Checkpointer {
    wake: Arc<Notify>,
    stopped: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Log frames (8 kB pages) above which readers and the writer are made to wait until the log starts over.
const RESTART_FRAMES: i64 = 8_192;

impl Checkpointer {
    pub(super) fn start(connection: Connection) -> Checkpointer {
        let wake = Arc::new(Notify::new());
        let (stopped, mut stop) = oneshot::channel();
        let woken = wake.clone();
        let thread = spawn("kplex-sqlite-checkpoint", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a plain runtime needs nothing");
            while runtime.block_on(async {
                tokio::select! { () = woken.notified() => true, _ = &mut stop => false }
            }) {
                checkpoint(&connection);
            }
            // Errors don't matter: what is in the log is durable and is read from there.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        });
        Checkpointer { wake, stopped: Mutex::new(Some(stopped)), thread: Mutex::new(Some(thread)) }
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn stop(&self) {
        drop(self.stopped.lock().take());
        let thread = self.thread.lock().take();
        join(thread.into_iter().collect()).await;
    }
}

fn checkpoint(connection: &Connection) {
    let run = |mode: &str| {
        let pragma = format!("PRAGMA wal_checkpoint({mode})");
        connection.query_row(&pragma, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
    };
    let result = match run("PASSIVE") {
        Ok((_, frames)) if frames > RESTART_FRAMES => run("RESTART"),
        other => other,
    };
    if let Err(error) = result {
        tracing::warn!(%error, "checkpoint failed; the log keeps growing until the next one");
    }
}

/// A thread that panics may have left callers without an answer and a transaction half done.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a database thread panicked; ending the process");
            std::process::abort();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    // SQLite needs little stack; the default of 2 MiB would count for every thread.
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10);
    let guarded = move || {
        let _abort = AbortOnPanic;
        work();
    };
    builder.spawn(guarded).expect("a process that cannot start a thread at its start cannot serve")
}

async fn join(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            // A thread that panics takes the process with it.
            let _ = thread.join();
        }
    });
    // The runtime is going away: the threads end by themselves.
    let _ = joined.await;
}
