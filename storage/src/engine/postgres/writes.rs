//! Transactions of the lanes.

use futures::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::calls::{Call, calls, purge};
use super::connect::Connection;
use super::failed;
use super::queries::event_slices;
use crate::engine::{Batch, Claim, Hold, LaneRow, Outcome, SliceRow};
use crate::error::StorageError;

pub(super) async fn claim(
    connection: &mut Connection,
    lane: u16,
    owner: u64,
    hold: Hold,
) -> Result<Option<Claim>, StorageError> {
    let claiming = |error| failed("claim lane", &error);
    // Waits for a transaction that has moved the row and is not over yet.
    let claim = "UPDATE lane SET epoch = epoch + 1, owner = $2 WHERE lane = $1 AND ($3 OR owner = $2)
        RETURNING epoch, sequence, slice, opened_ms, slice_bytes";
    let (number, owner) = (i32::from(lane), owner as i64);
    let row = connection.client.query_opt(claim, &[&number, &owner, &(hold == Hold::Take)]).await.map_err(claiming)?;
    let Some(row) = row else { return Ok(None) };
    let column = |at: usize| row.get::<_, i64>(at) as u64;
    let row = LaneRow {
        lane,
        epoch: column(0),
        sequence: column(1),
        slice: column(2),
        opened_ms: column(3),
        slice_bytes: column(4),
    };
    let read = "SELECT slice, closed_ms, last_sequence, bytes FROM slice WHERE lane = $1 ORDER BY slice";
    let closed = connection.client.query(read, &[&number]).await.map_err(claiming)?;
    let closed = closed.iter().map(|row| {
        let column = |at: usize| row.get::<_, i64>(at) as u64;
        SliceRow { slice: column(0), closed_ms: column(1), last_sequence: column(2), bytes: column(3) }
    });
    Ok(Some(Claim { row, closed: closed.collect() }))
}

pub(super) async fn commit(connection: &mut Connection, batch: &Batch) -> Outcome {
    match try_commit(connection, batch).await {
        Ok(outcome) => outcome,
        // Nothing was committed: the COMMIT was not sent yet. The connection is dropped, and the server rolls back.
        Err(error) => Outcome::Rejected(failed("write batch", &error).to_string()),
    }
}

async fn try_commit(connection: &mut Connection, batch: &Batch) -> Result<Outcome, tokio_postgres::Error> {
    let mut calls = calls(batch);
    if !batch.purge.is_empty() {
        let slices = event_slices(connection, batch.lane.lane).await?;
        for (tenant, limit) in &batch.purge {
            calls.extend(purge(batch.lane.lane, &slices, *tenant, *limit));
        }
    }
    let mut prepared = Vec::with_capacity(calls.len());
    for call in &calls {
        // Event tables that this batch makes are not written by it, so that everything else can be prepared before.
        prepared.push(if call.definition { None } else { Some(connection.prepare(&call.sql).await?) });
    }
    let client = &connection.client;
    // Sent together, answered together: the futures are first polled, and so sent, in order.
    let begin = async { client.batch_execute("BEGIN").await.map(|()| 0) };
    let begin: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(begin);
    let sent = std::iter::once(begin);
    let sent = sent.chain(calls.iter().zip(prepared).map(|(call, statement)| run(client, call, statement)));
    let mut moved = None;
    for result in join_all(sent).await.into_iter().skip(1) {
        let rows = result?;
        moved.get_or_insert(rows);
    }
    if moved != Some(1) {
        client.batch_execute("ROLLBACK").await?;
        return Ok(Outcome::Rejected("the lane was taken over".to_owned()));
    }
    Ok(match client.batch_execute("COMMIT").await {
        Ok(()) => Outcome::Durable,
        Err(error) => Outcome::Unknown(failed("commit transaction", &error).to_string()),
    })
}

fn run<'a>(
    client: &'a Client,
    call: &'a Call,
    statement: Option<Statement>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send + 'a>> {
    Box::pin(async move {
        match statement {
            None => client.batch_execute(&call.sql).await.map(|()| 0),
            Some(statement) => {
                let params: Vec<&(dyn ToSql + Sync)> = call.params.iter().map(|param| &**param as _).collect();
                client.execute(&statement, &params).await
            }
        }
    })
}
